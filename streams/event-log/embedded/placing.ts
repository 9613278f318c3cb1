import { MillraceError } from '../../../schemas/errors.ts'
import { RECORD_BYTES_MAX } from '../../../schemas/interaction.ts'
import { partitionOf } from '../partitioner.ts'
import type { AppendRecord } from '../port.ts'
import type { BlockEntry } from './block.ts'
import type { PartitionState, TopicState } from './state.ts'
import type { PlacedEntry } from './writer.ts'

/** Largest key and headers of a record, in bytes; values are bounded by RECORD_BYTES_MAX. */
export const KEY_BYTES_MAX = 1_024
export const HEADERS_BYTES_MAX = 32_768

const NO_KEY = Buffer.alloc(0)
const NO_HEADERS: readonly Uint8Array[] = []

/** Encodes records and chooses their partitions. @throws MillraceError INVALID_REQUEST naming the first bad record. */
export function placeRecords(topic: TopicState, records: readonly AppendRecord[]): PlacedEntry[] {
  const compacts = topic.spec.cleanup === 'compact'
  return records.map((record, index) => {
    const key = record.key === null ? null : Buffer.from(record.key)
    const headers =
      record.headers === undefined
        ? NO_HEADERS
        : Object.entries(record.headers)
            .flat()
            .map((text) => Buffer.from(text))
    const entry = { key, value: record.value, headers }
    const problem = problemOf(entry, compacts)
    if (problem !== null) {
      throw new MillraceError(
        'INVALID_REQUEST',
        `record ${index} of an append to ${topic.spec.topic} ${problem}; nothing was appended`,
      )
    }
    return { state: topic.partitions[partitionOf(key ?? NO_KEY, topic.partitions.length)] as PartitionState, entry }
  })
}

function problemOf({ key, value, headers }: BlockEntry, compacts: boolean): string | null {
  if (value !== null && value.length > RECORD_BYTES_MAX)
    return `has a value of ${value.length} bytes, at most ${RECORD_BYTES_MAX} fit`
  if (key !== null && key.length > KEY_BYTES_MAX)
    return `has a key of ${key.length} bytes, at most ${KEY_BYTES_MAX} fit`
  if (value === null && !compacts) return 'is a tombstone, which only compact topics take'
  if (key === null && compacts) return 'has no key, which compact topics need'
  let headerBytes = 0
  for (const text of headers) headerBytes += text.length
  return headerBytes > HEADERS_BYTES_MAX
    ? `has ${headerBytes} bytes of headers, at most ${HEADERS_BYTES_MAX} fit`
    : null
}
