import type { EventColumns } from '../../schemas/event-columns.ts'
import type { StoredEvent } from '../../schemas/interaction.ts'

export interface PopularItem {
  readonly itemId: string
  /** Sum over events of weight * 2^-(age / half-life), age back from the newest event in the store. */
  readonly score: number
  readonly events: number
}

export interface PopularityQuery {
  /** Positive weights by event type; other types do not count. */
  readonly weights: Readonly<Record<string, number>>
  readonly halfLifeMs: number
  /** Only events at most this long before the newest event; null for all. */
  readonly windowMs: number | null
  readonly limit: number
}

/**
 * Every event, once per identity (user id, event id): the system of record.
 *
 * Guarantees: `insert` resolves when the rows are durable; writing an identity again changes nothing that a reader sees
 * (the first delivery wins), also within one batch and after any crash. Readers see all of a batch or nothing of it.
 * Safe to call concurrently; dispose is idempotent.
 * Errors: STORE_UNAVAILABLE (the batch is not stored, or will be the same when repeated), DISK_FULL, CORRUPT_FILE.
 */
export interface EventStore extends AsyncDisposable {
  insert(events: readonly StoredEvent[], options: { signal: AbortSignal }): Promise<void>
  /** Distinct events. */
  count(options: { signal: AbortSignal }): Promise<number>
  /** A user's events, newest event time first, then by event id. */
  userEvents(userId: string, options: { limit: number; signal: AbortSignal }): Promise<readonly StoredEvent[]>
  /** Next offset per `topic/partition` after the newest stored record: the store's position vector. */
  positions(options: { signal: AbortSignal }): Promise<ReadonlyMap<string, number>>
  /**
   * Every event below the position vector (next offsets by `topic/partition`), all events of a user together and in
   * append order within a partition, in bounded batches that may split a user: the source for rebuilding user state.
   */
  scanByUser(
    until: ReadonlyMap<string, number>,
    options: { batchEventsMax: number; signal: AbortSignal },
  ): AsyncIterable<readonly StoredEvent[]>
  /**
   * A consistent window of events for training, read in bounded steps that leave the event loop free: all of them, or
   * those below the position vector `until`, the same ones however many came in since.
   */
  columns(options: { until?: ReadonlyMap<string, number>; signal: AbortSignal }): Promise<EventColumns>
  /** Best first; ties by item id. Only items with a positive score. */
  popular(query: PopularityQuery, options: { signal: AbortSignal }): Promise<readonly PopularItem[]>
}
