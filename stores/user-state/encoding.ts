import { MillraceError } from '../../schemas/errors.ts'
import type { HistoryEntry, UserRecord } from '../../schemas/user-record.ts'
import { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** First byte of every stored record. */
const VERSION = 1
/** Hashes had 53 bits once and have 48 now, which are the lower ones. */
const HASH_LIMIT = 2 ** 48
const HAS_FRESHNESS = 1
const HAS_FACTORS = 2

/**
 * A user record as bytes, the same for every adapter:
 *
 *   version u8 | revision v | flags u8 | events v | lastEventAt v | lastFreshnessMs f64?
 *   | n v, n x (itemId, strength f64, lastEventAt - newestAt v, events v)
 *   | n v, n x (partition v, offset v) | n v, n x hash (7 bytes) | (modelVersion, n v, n x f32)?
 *
 * v is a varint, ids are a length and ASCII. About 15 bytes and the id for a history entry, so a record is bounded by
 * HISTORY_MAX x 145 + EVENT_IDS_MAX x 7 + partitions x 16 + factors x 4 + 300 bytes with ids of 128 characters.
 */
export function encodeUser(record: UserRecord, writer: ByteWriter): Buffer {
  const { factors, lastFreshnessMs, lastEventAt } = record
  writer.byte(VERSION)
  writer.varint(record.revision)
  writer.byte((lastFreshnessMs === null ? 0 : HAS_FRESHNESS) | (factors === null ? 0 : HAS_FACTORS))
  writer.varint(record.events)
  writer.varint(lastEventAt)
  if (lastFreshnessMs !== null) writer.float64(lastFreshnessMs)
  writer.varint(record.history.length)
  for (const entry of record.history) {
    writer.ascii(entry.itemId)
    writer.float64(entry.strength)
    writer.varint(lastEventAt - entry.newestAt)
    writer.varint(entry.events)
  }
  const offsets = Object.entries(record.appliedOffsets)
  writer.varint(offsets.length)
  for (const [partition, offset] of offsets) {
    writer.varint(Number(partition))
    writer.varint(offset)
  }
  writer.varint(record.eventIdHashes.length)
  for (const hash of record.eventIdHashes) writer.hash(hash)
  if (factors !== null) {
    writer.ascii(factors.modelVersion)
    writer.varint(factors.vector.length)
    for (const value of factors.vector) writer.float32(value)
  }
  return writer.take()
}

/** @throws MillraceError UNKNOWN_FORMAT for another version, CORRUPT_FILE for bytes that are no record. */
export function decodeUser(bytes: Uint8Array): UserRecord {
  const reader = startReading(bytes)
  const revision = reader.varint()
  const flags = reader.byte()
  const events = reader.varint()
  const lastEventAt = reader.varint()
  const lastFreshnessMs = flags & HAS_FRESHNESS ? reader.float64() : null
  const history: HistoryEntry[] = []
  for (let left = reader.count(11); left > 0; left--) {
    const itemId = reader.ascii()
    const strength = reader.float64()
    const newestAt = lastEventAt - reader.varint()
    history.push({ itemId, strength, newestAt, events: reader.varint() })
  }
  const appliedOffsets: Record<number, number> = {}
  for (let left = reader.count(2); left > 0; left--) {
    const partition = reader.varint()
    appliedOffsets[partition] = reader.varint()
  }
  const eventIdHashes: number[] = []
  for (let left = reader.count(7); left > 0; left--) eventIdHashes.push(reader.hash() % HASH_LIMIT)
  const factors = flags & HAS_FACTORS ? readFactors(reader) : null
  if (reader.remaining !== 0) {
    throw new MillraceError('CORRUPT_FILE', `a stored user record has ${reader.remaining} bytes too many`)
  }
  return { revision, events, lastEventAt, lastFreshnessMs, history, appliedOffsets, eventIdHashes, factors }
}

/** What a swap must know of the stored record, read without the rest. */
export function decodeUserHead(bytes: Uint8Array): { revision: number; events: number } {
  const reader = startReading(bytes)
  const revision = reader.varint()
  reader.byte()
  return { revision, events: reader.varint() }
}

function startReading(bytes: Uint8Array): ByteReader {
  const reader = new ByteReader(bytes)
  const version = reader.byte()
  if (version !== VERSION) {
    throw new MillraceError(
      'UNKNOWN_FORMAT',
      `a stored user record has format ${version}; this version reads ${VERSION}`,
    )
  }
  return reader
}

function readFactors(reader: ByteReader): { modelVersion: string; vector: Float32Array } {
  const modelVersion = reader.ascii()
  const vector = new Float32Array(reader.count(4))
  for (let index = 0; index < vector.length; index++) vector[index] = reader.float32()
  return { modelVersion, vector }
}
