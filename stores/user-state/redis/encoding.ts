import { MillraceError } from '../../../schemas/errors.ts'
import type { HistoryEntry, UserRecord } from '../../../schemas/user-record.ts'
import { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { formOf, readForm, readId, writeForm, writeId } from './item-ids.ts'
import { kindOf, readNumber, readSpan, writeNumber, writeSpan } from './numbers.ts'

/** First byte of every stored record; the swap script knows it too, with the two varints behind it. */
export const RECORD_VERSION = 1
const NO_FRESHNESS = 0xff
const EVENTS_IN_HEAD_MAX = 14

/**
 * A user record in few bytes, since memory is what Redis costs. Nothing is rounded: strengths come back bit for bit.
 *
 *   version u8 | revision v | events v | lastEventAt v | freshness: kind u8, number | n v, n x (partition v, offset v)
 *   | n v, n x hash (6 bytes) | n v, form of the ids, n x entry, newest first
 *   entry: events (4 bits) and kind of the strength (4 bits) | id | span to the entry before | strength | events v?
 *
 * v is a varint. Factors are left out: they follow from the history, and solving them anew costs less than 0.2 ms.
 *
 * Memory of a user in Redis, in bytes (jemalloc rounds each of its two texts up to 16, 32, 48, 64, 80, 96, 112, 128, and
 * then in steps of a quarter of a power of two: 160, 192, 224, 256, 320, ...):
 *
 *   value = 14 + 6 per partition + 6 per remembered event id (at most EVENT_IDS_MAX)
 *         + per item (at most HISTORY_MAX): 5 + id + 8 where several events add up to no small whole number
 *   user  = round(value + 6) + round(characters of the user id + 2) + 32 + 8 to 16
 *
 * where an id of c characters takes c log2(alphabet) / 8 bytes, rounded up: 6 for 8 letters and digits, 4 for 8 digits;
 * a beginning that all of a user's ids share counts once. The reference user (30 items of 45 events, ids of 8 letters
 * and digits) has 690 bytes and takes 830: 0.77 GiB for a million users. Cached lists are bounded by their time to live.
 */
export function encodeRecord(record: UserRecord, writer: ByteWriter): Buffer {
  const { lastFreshnessMs, lastEventAt } = record
  writer.byte(RECORD_VERSION)
  writer.varint(record.revision)
  writer.varint(record.events)
  writer.varint(lastEventAt)
  if (lastFreshnessMs === null) writer.byte(NO_FRESHNESS)
  else {
    writer.byte(kindOf(lastFreshnessMs))
    writeNumber(lastFreshnessMs, kindOf(lastFreshnessMs), writer)
  }
  const offsets = Object.entries(record.appliedOffsets)
  writer.varint(offsets.length)
  for (const [partition, offset] of offsets) {
    writer.varint(Number(partition))
    writer.varint(offset)
  }
  writer.varint(record.eventIdHashes.length)
  for (const hash of record.eventIdHashes) writer.uint(hash, 6)
  writer.varint(record.history.length)
  if (record.history.length > 0) writeHistory(record.history, lastEventAt, writer)
  return writer.take()
}

/** @throws MillraceError UNKNOWN_FORMAT for another version, CORRUPT_FILE for bytes that are no record. */
export function decodeRecord(bytes: Uint8Array): UserRecord {
  const reader = new ByteReader(bytes)
  const version = reader.byte()
  if (version !== RECORD_VERSION) {
    throw new MillraceError(
      'UNKNOWN_FORMAT',
      `a user record in Redis has format ${version}; this version reads ${RECORD_VERSION}`,
    )
  }
  const revision = reader.varint()
  const events = reader.varint()
  const lastEventAt = reader.varint()
  const freshnessKind = reader.byte()
  const lastFreshnessMs = freshnessKind === NO_FRESHNESS ? null : readNumber(freshnessKind, reader)
  const appliedOffsets: Record<number, number> = {}
  for (let left = reader.count(2); left > 0; left--) {
    const partition = reader.varint()
    appliedOffsets[partition] = reader.varint()
  }
  const eventIdHashes: number[] = []
  for (let left = reader.count(6); left > 0; left--) eventIdHashes.push(reader.uint(6))
  const count = reader.count(2)
  const history = count > 0 ? readHistory(count, lastEventAt, reader) : []
  if (reader.remaining !== 0) {
    throw new MillraceError('CORRUPT_FILE', `a user record in Redis has ${reader.remaining} bytes too many`)
  }
  return { revision, events, lastEventAt, lastFreshnessMs, history, appliedOffsets, eventIdHashes, factors: null }
}

function writeHistory(history: readonly HistoryEntry[], lastEventAt: number, writer: ByteWriter): void {
  const newestFirst = history.toSorted(byNewestEvent)
  const form = formOf(newestFirst.map((entry) => entry.itemId))
  writeForm(form, writer)
  let before = lastEventAt
  for (const { itemId, strength, newestAt, events } of newestFirst) {
    const kind = kindOf(strength)
    writer.byte(kind * 16 + Math.min(events, EVENTS_IN_HEAD_MAX + 1))
    writeId(itemId, form, writer)
    writeSpan(before - newestAt, writer)
    writeNumber(strength, kind, writer)
    if (events > EVENTS_IN_HEAD_MAX) writer.varint(events)
    before = newestAt
  }
}

function readHistory(count: number, lastEventAt: number, reader: ByteReader): HistoryEntry[] {
  const form = readForm(reader)
  const history: HistoryEntry[] = new Array(count)
  let newestAt = lastEventAt
  for (let at = count - 1; at >= 0; at--) {
    const head = reader.byte()
    const itemId = readId(form, reader)
    newestAt -= readSpan(reader)
    const strength = readNumber(head >>> 4, reader)
    const events = (head & 15) > EVENTS_IN_HEAD_MAX ? reader.varint() : head & 15
    history[at] = { itemId, strength, newestAt, events }
  }
  return history
}

/** Newest first; of two items of the same time the one with the greater id. */
function byNewestEvent(left: HistoryEntry, right: HistoryEntry): number {
  return right.newestAt - left.newestAt || (left.itemId < right.itemId ? 1 : left.itemId > right.itemId ? -1 : 0)
}
