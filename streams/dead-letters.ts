import { isMillraceError } from '../schemas/errors.ts'
import type { AppendRecord, EventLog, LogRecord, Position } from './event-log/port.ts'
import type { Rejection } from './interactions.ts'
import { ORIGIN_HEADERS, originHeaders, originOf, REPLAYS_HEADER, statedOrigin } from './origin.ts'
import { TOPICS } from './topics.ts'

export const REASON_HEADERS = {
  code: 'kafka_dlt-exception-fqcn',
  detail: 'kafka_dlt-exception-message',
} as const
/** Length of the whole value, on a letter that holds only its beginning. */
export const VALUE_BYTES_HEADER = 'millrace-value-bytes'
/** The group whose committed offsets say how far dead letters were replayed. */
export const REPLAY_GROUP = 'dead-letter-replay'
/** A record that failed after this many replays stays in the dead letters. */
export const REPLAYS_MAX = 5

const DETAIL_LENGTH_MAX = 1_000
/** Bytes of a value that are kept where the whole is too large for the dead letters. */
const BEGINNING_BYTES = 65_536
const KEPT_HEADERS_LENGTH_MAX = 8_192
const REPLAY_BATCH_RECORDS_MAX = 500
const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...Object.values(ORIGIN_HEADERS),
  ...Object.values(REASON_HEADERS),
  REPLAYS_HEADER,
  VALUE_BYTES_HEADER,
])

/** Where records go that no consumer can use. */
export interface DeadLetters {
  /**
   * Resolves when the record rests durably in the dead letters: key and value untouched, its own headers kept up to
   * 8 kB, and the reason and first position in `kafka_dlt-*` headers. Of a value that the topic refuses as too large the
   * beginning is kept, with the length of the whole, which a replay reads where it was first. To be called before the
   * offset is committed; a crash between the two sends it again.
   */
  send(record: LogRecord, reason: Rejection, signal: AbortSignal): Promise<void>
}

export function createDeadLetters(log: EventLog, topic: string = TOPICS.deadLetters): DeadLetters {
  return {
    async send(record, { code, detail }, signal) {
      const headers = {
        ...foreignHeaders(record),
        ...originHeaders(originOf(record)),
        [REASON_HEADERS.code]: code,
        [REASON_HEADERS.detail]: detail.slice(0, DETAIL_LENGTH_MAX),
      }
      const value = record.value ?? NO_VALUE
      const append = (letter: AppendRecord) => log.append(topic, [letter], { signal, copies: true })
      try {
        await append({ key: record.key, value, headers })
      } catch (error) {
        if (!isMillraceError(error, 'INVALID_REQUEST') || value.length <= BEGINNING_BYTES) throw error
        const whole = { [VALUE_BYTES_HEADER]: String(value.length) }
        await append({ key: record.key, value: value.subarray(0, BEGINNING_BYTES), headers: { ...headers, ...whole } })
      }
    },
  }
}

/** A tombstone has no place in a `delete` topic. */
const NO_VALUE = new Uint8Array(0)

export interface ReplayOptions {
  /** Dead letters to look at, at most; the rest waits for the next call. */
  readonly recordsMax: number
  readonly signal: AbortSignal
  /** The topic of dead letters; TOPICS.deadLetters by default. */
  readonly topic?: string
  /** Topics that records may go back to; TOPICS.interactions by default. */
  readonly targets?: readonly string[]
  readonly replaysMax?: number
  /** Called after each committed step. */
  readonly onProgress?: (result: ReplayResult) => void
}

export interface ReplayResult {
  /** Appended to their original topics again. */
  readonly replayed: number
  /** Left where they are: replayed too often already. */
  readonly exhausted: number
  /** Left where they are: no usable original position in their headers, or too large to be appended again. */
  readonly unusable: number
  /** Dead letters of before this call that it did not look at. */
  readonly remaining: number
}

/**
 * Appends dead letters to their original topics again, each with its first position in its headers, so that its identity
 * stays. Looks only at what was there when it started, so that a record that fails once more waits for the next call, and
 * commits its progress to REPLAY_GROUP: at least once, and no dead letter twice without a crash.
 */
export async function replayDeadLetters(log: EventLog, options: ReplayOptions): Promise<ReplayResult> {
  const { signal, topic = TOPICS.deadLetters } = options
  const ends = await log.offsets(topic, { signal })
  const committed = await log.committed(REPLAY_GROUP, topic, { signal })
  const total = { replayed: 0, exhausted: 0, unusable: 0, remaining: 0 }
  let looked = 0
  for (const { partition, startOffset, endOffset } of ends) {
    let offset = Math.max(committed[partition] ?? startOffset, startOffset)
    while (offset < endOffset && looked < options.recordsMax) {
      const wanted = Math.min(REPLAY_BATCH_RECORDS_MAX, options.recordsMax - looked)
      const read = await log.read({ topic, partition, offset }, wanted, { signal })
      const letters = read.filter((letter) => letter.offset < endOffset)
      const step = await replayStep(log, letters, options)
      total.replayed += step.replayed
      total.exhausted += step.exhausted
      total.unusable += step.unusable
      looked += letters.length
      const last = letters.at(-1)
      offset = last === undefined ? endOffset : last.offset + 1
      await log.commit(REPLAY_GROUP, [{ topic, partition, offset }], { signal })
      options.onProgress?.({ ...total })
    }
    total.remaining += Math.max(0, endOffset - offset)
  }
  return total
}

async function replayStep(log: EventLog, letters: readonly LogRecord[], options: ReplayOptions) {
  const { targets = [TOPICS.interactions], replaysMax = REPLAYS_MAX, signal } = options
  const byTopic = new Map<string, AppendRecord[]>()
  const counts = { replayed: 0, exhausted: 0, unusable: 0 }
  for (const letter of letters) {
    const origin = statedOrigin(letter.headers)
    if (origin === null || !targets.includes(origin.topic)) counts.unusable++
    else if (origin.replays >= replaysMax) counts.exhausted++
    else {
      const value = await wholeValue(log, letter, origin, signal)
      if (value === null) {
        counts.unusable++
        continue
      }
      const headers = { ...foreignHeaders(letter), ...originHeaders({ ...origin, replays: origin.replays + 1 }) }
      const again = byTopic.get(origin.topic) ?? []
      again.push({ key: letter.key, value, headers })
      byTopic.set(origin.topic, again)
    }
  }
  for (const [target, records] of byTopic) {
    const appended = await appendFitting(log, target, records, signal)
    counts.replayed += appended
    counts.unusable += records.length - appended
  }
  return counts
}

/** null when the letter has only its beginning and retention has removed the record itself. */
async function wholeValue(log: EventLog, letter: LogRecord, origin: Position, signal: AbortSignal) {
  if (letter.headers[VALUE_BYTES_HEADER] === undefined) return letter.value
  const [record] = await log.read(origin, 1, { signal })
  return record?.offset === origin.offset ? record.value : null
}

/** All at once, or one by one where one of them is refused; returns how many were appended. */
async function appendFitting(
  log: EventLog,
  topic: string,
  records: readonly AppendRecord[],
  signal: AbortSignal,
): Promise<number> {
  try {
    await log.append(topic, records, { signal, copies: true })
    return records.length
  } catch (error) {
    if (!isMillraceError(error, 'INVALID_REQUEST')) throw error
    if (records.length === 1) return 0
    let appended = 0
    for (const record of records) appended += await appendFitting(log, topic, [record], signal)
    return appended
  }
}

/** The producer's own headers, as many as fit beside ours. */
function foreignHeaders(record: LogRecord): Record<string, string> {
  const kept: Record<string, string> = {}
  let length = 0
  for (const [name, value] of Object.entries(record.headers)) {
    length += name.length + value.length
    if (OWN_HEADERS.has(name)) length -= name.length + value.length
    else if (length <= KEPT_HEADERS_LENGTH_MAX) kept[name] = value
  }
  return kept
}
