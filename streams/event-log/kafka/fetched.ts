import type { IHeaders } from 'kafkajs'
import type { LogRecord } from '../port.ts'

/** One partition of a fetch answer, as the client decodes it. */
export interface FetchedPartition {
  readonly partition: number
  readonly highWatermark: string
  readonly lastStableOffset: string
  readonly abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[]
  readonly messages: readonly FetchedMessage[]
}

interface FetchedMessage {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: IHeaders
  readonly isControlRecord?: boolean
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean }
}

export interface FetchedRecords {
  readonly records: LogRecord[]
  /** Where the next fetch goes on. */
  readonly nextOffset: number
  /** End of what may be read: the last stable offset. */
  readonly endOffset: number
}

/** The records from `fromOffset`: without control records, aborted transactions, and what lies before in the first batch. */
export function recordsOf(topic: string, fetched: FetchedPartition, fromOffset: number): FetchedRecords {
  const endOffset = Number(fetched.lastStableOffset)
  const records: LogRecord[] = []
  const isAborted = abortedOffsets(fetched)
  let nextOffset = fromOffset
  for (const message of fetched.messages) {
    const offset = Number(message.offset)
    const aborted = isAborted(message, offset)
    if (offset < fromOffset) continue
    nextOffset = offset + 1
    if (aborted || message.isControlRecord === true) continue
    records.push({
      topic,
      partition: fetched.partition,
      offset,
      key: message.key === null ? null : message.key.toString(),
      value: message.value,
      headers: headersOf(message.headers),
      appendedAt: Number(message.timestamp),
    })
  }
  // A batch that compaction emptied still holds its offsets: pass it step by step.
  if (fetched.messages.length === 0 && endOffset > fromOffset) nextOffset = fromOffset + 1
  return { records, nextOffset, endOffset }
}

/** Walks through the messages with the list of aborted transactions, which an abort marker ends one by one. */
function abortedOffsets({
  abortedTransactions,
}: FetchedPartition): (message: FetchedMessage, offset: number) => boolean {
  if (abortedTransactions.length === 0) return () => false
  const waiting = abortedTransactions
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
    .toSorted((left, right) => left.firstOffset - right.firstOffset)
  const aborted = new Set<string>()
  return (message, offset) => {
    while ((waiting[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= offset)
      aborted.add(waiting.shift()?.producerId ?? '')
    const { producerId = '', inTransaction = false } = message.batchContext ?? {}
    if (message.isControlRecord === true) aborted.delete(producerId)
    return inTransaction && aborted.has(producerId)
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = {}

function headersOf(headers: IHeaders | undefined): Readonly<Record<string, string>> {
  if (headers === undefined) return NO_HEADERS
  const texts: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    const first = Array.isArray(value) ? value[0] : value
    if (first !== undefined && first !== null) texts[name] = first.toString()
  }
  return texts
}
