import { MillraceError } from '../../../schemas/errors.ts'
import type { LogRecord } from '../port.ts'

/** A record on its way into a block: texts already UTF-8. */
export interface BlockEntry {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Name, value, name, value, ... */
  readonly headers: readonly Uint8Array[]
}

const VERSION = 1
const HEADER_BYTES = 13

/** Upper bound of an entry's encoded bytes; at most 5 bytes for each length. */
export function entryBytes(entry: BlockEntry): number {
  let bytes = 15 + (entry.key?.length ?? 0) + (entry.value?.length ?? 0)
  for (const text of entry.headers) bytes += 5 + text.length
  return bytes
}

/**
 * A block holds records with consecutive offsets of one partition, appended at one moment:
 * version u8, record count u32, append time f64 (big-endian), then per record key, value and headers, each text with its
 * length (plus one for what may be null) as a varint.
 */
export function encodeBlock(entries: readonly BlockEntry[], appendedAt: number): Buffer {
  let bytesMax = HEADER_BYTES
  for (const entry of entries) bytesMax += entryBytes(entry)
  const block = Buffer.allocUnsafeSlow(bytesMax)
  block[0] = VERSION
  block.writeUInt32BE(entries.length, 1)
  block.writeDoubleBE(appendedAt, 5)
  let at = HEADER_BYTES
  for (const { key, value, headers } of entries) {
    at = putNullable(block, at, key)
    at = putNullable(block, at, value)
    at = putVarint(block, at, headers.length)
    for (const text of headers) at = putBytes(block, putVarint(block, at, text.length), text)
  }
  return block.subarray(0, at)
}

export function blockSize(block: Buffer): { readonly records: number; readonly appendedAt: number } {
  if (block[0] !== VERSION) throw corrupt(`a block has version ${block[0]}, this log writes ${VERSION}`)
  return { records: block.readUInt32BE(1), appendedAt: block.readDoubleBE(5) }
}

/**
 * Appends to `into` the block's records from `fromOffset` on, until it holds `recordsMax`.
 * Values are views of `block`, which nobody may reuse afterwards. Returns the bytes of the records taken.
 */
export function decodeBlock(
  block: Buffer,
  base: { readonly topic: string; readonly partition: number; readonly offset: number },
  wanted: { readonly fromOffset: number; readonly recordsMax: number },
  into: LogRecord[],
): number {
  const { records, appendedAt } = blockSize(block)
  const cursor: Cursor = { block, at: HEADER_BYTES }
  const skipped = Math.max(0, wanted.fromOffset - base.offset)
  for (let index = 0; index < skipped && index < records; index++) skipRecord(cursor)
  const startedAt = cursor.at
  for (let index = skipped; index < records && into.length < wanted.recordsMax; index++) {
    const key = takeNullable(cursor)
    const value = takeNullable(cursor)
    into.push({
      topic: base.topic,
      partition: base.partition,
      offset: base.offset + index,
      key: key === null ? null : key.toString('utf8'),
      value,
      headers: takeHeaders(cursor),
      appendedAt,
    })
  }
  return cursor.at - startedAt
}

interface Cursor {
  readonly block: Buffer
  at: number
}

function takeHeaders(cursor: Cursor): Readonly<Record<string, string>> {
  const texts = takeVarint(cursor)
  if (texts === 0) return NO_HEADERS
  const headers: Record<string, string> = {}
  for (let index = 0; index < texts; index += 2) headers[takeText(cursor)] = takeText(cursor)
  return headers
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

function skipRecord(cursor: Cursor): void {
  skipBytes(cursor, takeVarint(cursor) - 1)
  skipBytes(cursor, takeVarint(cursor) - 1)
  const texts = takeVarint(cursor)
  for (let index = 0; index < texts; index++) skipBytes(cursor, takeVarint(cursor))
}

function skipBytes(cursor: Cursor, length: number): void {
  if (length > 0) cursor.at += length
}

function takeNullable(cursor: Cursor): Buffer | null {
  const lengthPlusOne = takeVarint(cursor)
  if (lengthPlusOne === 0) return null
  const from = cursor.at
  cursor.at += lengthPlusOne - 1
  return cursor.block.subarray(from, cursor.at)
}

function takeText(cursor: Cursor): string {
  const length = takeVarint(cursor)
  cursor.at += length
  return cursor.block.toString('utf8', cursor.at - length, cursor.at)
}

function takeVarint(cursor: Cursor): number {
  let result = 0
  for (let shift = 0; ; shift += 7) {
    const byte = cursor.block[cursor.at++]
    if (byte === undefined || shift > 28) throw corrupt(`a block of ${cursor.block.length} bytes ends inside a record`)
    result += (byte & 127) << shift
    if (byte < 128) return result
  }
}

function putNullable(block: Buffer, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) return putVarint(block, at, 0)
  return putBytes(block, putVarint(block, at, bytes.length + 1), bytes)
}

function putBytes(block: Buffer, at: number, bytes: Uint8Array): number {
  block.set(bytes, at)
  return at + bytes.length
}

function putVarint(block: Buffer, at: number, value: number): number {
  let rest = value
  while (rest >= 128) {
    block[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  block[at++] = rest
  return at
}

function corrupt(detail: string): MillraceError {
  return new MillraceError(
    'CORRUPT_FILE',
    `the event log's file log.mdb is damaged: ${detail}; restore it from a copy`,
    { field: 'log.mdb' },
  )
}
