import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from 'kafkajs'
import { MillraceError } from '../../../schemas/errors.ts'
import type { LogRecord } from '../port.ts'
import { isPassing, logFailure, protocolType, refresh } from './failure.ts'
import { type FetchedPartition, recordsOf } from './fetched.ts'

const READ_COMMITTED = 1
const LONG_WAIT_MS = 500
/** While a full partition is left out of a request, that request must not wait long. */
const SHORT_WAIT_MS = 25
/** Fewer bytes than this are held back at the broker for a reader that would rather gather. */
const GATHERED_BYTES = 65_536
const PARTITION_BYTES_MAX = 1_048_576
const REQUEST_BYTES_MAX = 8 * 1_048_576
/** Bytes that wait to be worked on, in values: of one partition, and of all. */
const QUEUED_PARTITION_BYTES_MAX = 4 * 1_048_576
const QUEUED_BYTES_MAX = 32 * 1_048_576
const RETRY_DELAY_MS = 200
/** Long enough for a broker to restart. */
const PATIENCE_MS = 30_000

/** One partition being read: what was fetched and not yet taken. */
export interface Cursor {
  readonly topic: string
  readonly partition: number
  /** Where the next fetch starts; everything before is in `queue` or was taken from it. */
  fetchOffset: number
  endOffset: number
  readonly queue: LogRecord[]
  queuedBytes: number
}

export function createCursor(topic: string, partition: number, offset: number, endOffset: number): Cursor {
  return { topic, partition, fetchOffset: offset, endOffset, queue: [], queuedBytes: 0 }
}

export interface FetcherParts {
  /** A connection of the fetcher's own, for its requests wait at the broker. */
  readonly cluster: Cluster
  readonly cursors: readonly Cursor[]
  /** How long the broker may hold a few records back; 0 for not at all. */
  readonly gatherMs: number
  /** Where a partition begins now: records that retention removed before they were read are passed over. */
  readonly startOffsetOf: (cursor: Cursor) => Promise<number>
  readonly signal: AbortSignal
}

/** Keeps the cursors' queues filled, one request in flight per leading broker, within bounds of bytes. */
export class Fetcher {
  /** Resolves after the signal aborted; rejects with what ends the fetching before. */
  readonly done: Promise<void>
  readonly #parts: FetcherParts
  readonly #arrivals = new Map<Cursor, PromiseWithResolvers<void>>()
  readonly #busy = new Set<string>()
  readonly #failed = Promise.withResolvers<never>()
  #wake = Promise.withResolvers<void>()
  #queuedBytes = 0
  #failingSince: number | null = null

  constructor(parts: FetcherParts) {
    this.#parts = parts
    this.#failed.promise.catch(() => undefined)
    parts.signal.addEventListener('abort', () => this.#stop(), { once: true })
    this.done = this.#run()
    this.done.catch(() => undefined)
  }

  /** Up to `recordsMax` records, in order, and where the partition goes on after them; null when none waits. */
  take(cursor: Cursor, recordsMax: number): { records: readonly LogRecord[]; nextOffset: number } | null {
    if (cursor.queue.length === 0) return null
    const wasFull = this.#isFull(cursor)
    const records = cursor.queue.splice(0, recordsMax)
    this.#count(cursor, -bytesOf(records))
    if (wasFull && !this.#isFull(cursor)) this.#wake.resolve()
    return { records, nextOffset: cursor.queue[0]?.offset ?? cursor.fetchOffset }
  }

  /** Resolves when the cursor has moved, or the signal aborted. */
  arrival(cursor: Cursor): Promise<void> {
    if (this.#parts.signal.aborted) return Promise.resolve()
    const waiting = this.#arrivals.get(cursor) ?? Promise.withResolvers<void>()
    this.#arrivals.set(cursor, waiting)
    return waiting.promise
  }

  async #run(): Promise<void> {
    const { cluster, signal } = this.#parts
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>()
      try {
        for (const [leader, led] of this.#byLeader()) this.#startRequest(leader, led)
      } catch (error) {
        await this.#recover(error)
        continue
      }
      await Promise.race([this.#wake.promise, this.#failed.promise])
      await cluster.refreshMetadataIfNecessary().catch(() => undefined)
    }
  }

  #startRequest(leader: string, led: readonly Cursor[]): void {
    if (this.#busy.has(leader) || led.every((cursor) => this.#isFull(cursor))) return
    this.#busy.add(leader)
    void this.#fetch(leader, led)
      .catch((error: unknown) => this.#recover(error))
      .catch((error: unknown) => this.#failed.reject(error))
      .finally(() => {
        this.#busy.delete(leader)
        this.#wake.resolve()
      })
  }

  async #fetch(leader: string, led: readonly Cursor[]): Promise<void> {
    const open = led.filter((cursor) => !this.#isFull(cursor))
    const topics = [...Map.groupBy(open, ({ topic }) => topic)].map(([topic, own]) => ({
      topic,
      partitions: own.map(({ partition, fetchOffset }) => ({
        partition,
        fetchOffset: String(fetchOffset),
        maxBytes: PARTITION_BYTES_MAX,
      })),
    }))
    const broker = await this.#parts.cluster.findBroker({ nodeId: leader })
    const { gatherMs } = this.#parts
    const longWaitMs = gatherMs > 0 ? gatherMs : LONG_WAIT_MS
    const maxWaitTime = open.length === led.length ? longWaitMs : SHORT_WAIT_MS
    const minBytes = gatherMs > 0 ? GATHERED_BYTES : 1
    const request = { isolationLevel: READ_COMMITTED, maxWaitTime, minBytes, maxBytes: REQUEST_BYTES_MAX, topics }
    const answer = (await broker.fetch(request)) as {
      responses: { topicName: string; partitions: FetchedPartition[] }[]
    }
    if (this.#parts.signal.aborted) return
    for (const { topicName, partitions } of answer.responses) {
      for (const fetched of partitions) {
        const cursor = open.find(({ topic, partition }) => topic === topicName && partition === fetched.partition)
        if (cursor !== undefined) this.#receive(cursor, fetched)
      }
    }
    this.#failingSince = null
  }

  #receive(cursor: Cursor, fetched: FetchedPartition): void {
    const { records, nextOffset, endOffset } = recordsOf(cursor.topic, fetched, cursor.fetchOffset)
    cursor.endOffset = endOffset
    if (nextOffset === cursor.fetchOffset) return
    cursor.fetchOffset = nextOffset
    for (const record of records) cursor.queue.push(record)
    this.#count(cursor, bytesOf(records))
    this.#arrivals.get(cursor)?.resolve()
    this.#arrivals.delete(cursor)
  }

  /** Waits, or moves cursors whose records are gone; throws what will not pass. */
  async #recover(error: unknown): Promise<void> {
    const { cluster, cursors, signal, startOffsetOf } = this.#parts
    if (signal.aborted) return
    if (protocolType(error) === 'OFFSET_OUT_OF_RANGE') {
      for (const cursor of cursors) moveIntoRange(cursor, await startOffsetOf(cursor))
      return
    }
    this.#failingSince ??= performance.now()
    if (!isPassing(error) || performance.now() - this.#failingSince > PATIENCE_MS) {
      throw logFailure(`${cursors.map(nameOf).join(', ')} cannot be read`, error)
    }
    await sleep(RETRY_DELAY_MS, undefined, { signal }).catch(() => undefined)
    await refresh(cluster)
  }

  #byLeader(): Map<string, Cursor[]> {
    const groups = new Map<string, Cursor[]>()
    for (const cursor of this.#parts.cursors) {
      const [leader] = Object.keys(this.#parts.cluster.findLeaderForPartitions(cursor.topic, [cursor.partition]))
      if (leader === undefined) throw new MillraceError('LOG_UNAVAILABLE', `${nameOf(cursor)} has no leader now`)
      const group = groups.get(leader)
      if (group === undefined) groups.set(leader, [cursor])
      else group.push(cursor)
    }
    return groups
  }

  #isFull(cursor: Cursor): boolean {
    return cursor.queuedBytes >= QUEUED_PARTITION_BYTES_MAX || this.#queuedBytes >= QUEUED_BYTES_MAX
  }

  #count(cursor: Cursor, bytes: number): void {
    cursor.queuedBytes += bytes
    this.#queuedBytes += bytes
  }

  #stop(): void {
    this.#wake.resolve()
    for (const { resolve } of this.#arrivals.values()) resolve()
  }
}

function bytesOf(records: readonly LogRecord[]): number {
  return records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
}

/** @throws MillraceError LOG_RESET when the reader is beyond the partition's end. */
function moveIntoRange(cursor: Cursor, startOffset: number): void {
  if (cursor.fetchOffset < startOffset) {
    cursor.fetchOffset = startOffset
  } else if (cursor.fetchOffset > cursor.endOffset) {
    throw new MillraceError(
      'LOG_RESET',
      `${nameOf(cursor)} is read from offset ${cursor.fetchOffset}, which lies beyond its end; the log was replaced by an older or empty one`,
    )
  }
}

function nameOf({ topic, partition }: Cursor): string {
  return `${topic}/${partition}`
}
