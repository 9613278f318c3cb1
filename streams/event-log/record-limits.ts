import { RECORD_BYTES_MAX } from '../../schemas/interaction.ts'

/** Largest key and headers of a record, in bytes; values are bounded by RECORD_BYTES_MAX. */
export const KEY_BYTES_MAX = 1_024
export const HEADERS_BYTES_MAX = 32_768

/** A record in bytes, as it is about to be appended; headers are names and values in turn. */
export interface EncodedRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Uint8Array[]
}

/** Why a record cannot be appended; null when it can. The same on every adapter. A copy may have any size. */
export function problemOf(record: EncodedRecord, topic: { compacts: boolean; copies: boolean }): string | null {
  const { key, value } = record
  if (value === null && !topic.compacts) return 'is a tombstone, which only compact topics take'
  if (key === null && topic.compacts) return 'has no key, which compact topics need'
  return topic.copies ? null : sizeProblemOf(record)
}

function sizeProblemOf({ key, value, headers }: EncodedRecord): string | null {
  if (value !== null && value.length > RECORD_BYTES_MAX)
    return `has a value of ${value.length} bytes, at most ${RECORD_BYTES_MAX} fit`
  if (key !== null && key.length > KEY_BYTES_MAX)
    return `has a key of ${key.length} bytes, at most ${KEY_BYTES_MAX} fit`
  let headerBytes = 0
  for (const text of headers) headerBytes += text.length
  return headerBytes > HEADERS_BYTES_MAX
    ? `has ${headerBytes} bytes of headers, at most ${HEADERS_BYTES_MAX} fit`
    : null
}
