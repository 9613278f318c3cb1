import { setTimeout as pause } from 'node:timers/promises'
import type { StoredEvent } from '../../schemas/interaction.ts'
import type { EventStore } from '../../stores/event-store/port.ts'
import type { ServiceContext } from '../runtime/context.ts'
import type { SinkMetrics } from './metrics.ts'

/** Rows of one insert, unless a single batch has more. */
export const INSERT_ROWS_MAX = 20_000

/**
 * Pause after an insert while fewer than INSERT_ROWS_ENOUGH rows wait. An insert costs the event store some ten
 * milliseconds of processor time however small it is; a trickle of single events must not starve the updater.
 */
const GATHER_MS = 100
const INSERT_ROWS_ENOUGH = 1_000

interface Waiting {
  readonly events: readonly StoredEvent[]
  readonly done: PromiseWithResolvers<void>
}

/**
 * Group commit for the event store: while one insert runs, the batches of other partitions gather and go into the next
 * one together. Nothing waits for a timer, so an idle sink adds no delay and a busy one writes thousands of rows at once.
 * A failed insert fails every batch in it; each is retried by its own partition. Bounded by one batch per partition.
 */
export class Inserter {
  private readonly eventStore: EventStore
  private readonly metrics: SinkMetrics
  private readonly now: ServiceContext['now']
  private waiting: Waiting[] = []
  private running = false

  constructor(eventStore: EventStore, metrics: SinkMetrics, now: ServiceContext['now']) {
    this.eventStore = eventStore
    this.metrics = metrics
    this.now = now
  }

  /** Resolves when the events are durable. `signal` is checked before they are queued; an insert that runs is finished. */
  insert(events: readonly StoredEvent[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const done = Promise.withResolvers<void>()
    this.waiting.push({ events, done })
    if (!this.running) void this.run()
    return done.promise
  }

  private async run(): Promise<void> {
    this.running = true
    let isFirst = true
    while (this.waiting.length > 0) {
      const rows = this.waiting.reduce((sum, { events }) => sum + events.length, 0)
      if (!isFirst && rows < INSERT_ROWS_ENOUGH) await pause(GATHER_MS)
      isFirst = false
      const group = this.takeGroup()
      try {
        await this.insertNow(group.flatMap(({ events }) => events))
        for (const { done } of group) done.resolve()
      } catch (error) {
        for (const { done } of group) done.reject(error)
      }
    }
    this.running = false
  }

  private takeGroup(): Waiting[] {
    let rows = 0
    let count = 0
    for (const { events } of this.waiting) {
      rows += events.length
      if (count > 0 && rows > INSERT_ROWS_MAX) break
      count++
    }
    return this.waiting.splice(0, count)
  }

  private async insertNow(events: readonly StoredEvent[]): Promise<void> {
    const startedAt = this.now()
    await this.eventStore.insert(events, { signal: new AbortController().signal })
    this.metrics.insertSeconds.observe(Math.max(0, this.now() - startedAt) / 1_000)
    this.metrics.batchRows.observe(events.length)
    this.metrics.events.inc(events.length)
  }
}
