import type { LogRecord, Position } from './event-log/port.ts'

/** Headers of a dead letter, named as Spring Kafka names them; values are texts. */
export const ORIGIN_HEADERS = {
  topic: 'kafka_dlt-original-topic',
  partition: 'kafka_dlt-original-partition',
  offset: 'kafka_dlt-original-offset',
  timestamp: 'kafka_dlt-original-timestamp',
} as const
/** How often the record was replayed from the dead letters. */
export const REPLAYS_HEADER = 'millrace-replays'

/** Where and when a record was first appended: a replayed one says so in its headers. */
export interface Origin extends Position {
  readonly appendedAt: number
  readonly replays: number
}

export function originOf(record: LogRecord): Origin {
  return statedOrigin(record.headers) ?? { ...positionOf(record), appendedAt: record.appendedAt, replays: 0 }
}

/** null when the headers do not name a complete position. */
export function statedOrigin(headers: Readonly<Record<string, string>>): Origin | null {
  const topic = headers[ORIGIN_HEADERS.topic]
  if (!topic) return null
  const partition = wholeNumber(headers[ORIGIN_HEADERS.partition])
  const offset = wholeNumber(headers[ORIGIN_HEADERS.offset])
  if (partition === null || offset === null) return null
  const appendedAt = wholeNumber(headers[ORIGIN_HEADERS.timestamp]) ?? 0
  return { topic, partition, offset, appendedAt, replays: wholeNumber(headers[REPLAYS_HEADER]) ?? 0 }
}

export function originHeaders(origin: Origin): Record<string, string> {
  const headers: Record<string, string> = {
    [ORIGIN_HEADERS.topic]: origin.topic,
    [ORIGIN_HEADERS.partition]: String(origin.partition),
    [ORIGIN_HEADERS.offset]: String(origin.offset),
    [ORIGIN_HEADERS.timestamp]: String(origin.appendedAt),
  }
  if (origin.replays > 0) headers[REPLAYS_HEADER] = String(origin.replays)
  return headers
}

function positionOf({ topic, partition, offset }: LogRecord): Position {
  return { topic, partition, offset }
}

function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null
}
