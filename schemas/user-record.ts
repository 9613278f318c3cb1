/** One distinct item of a user's history. */
export interface HistoryEntry {
  readonly itemId: string
  /** Sum over the item's events of weight * 2^-(age / half-life), age measured back from `newestAt`. May be negative. */
  readonly strength: number
  /** Event time of the item's newest event, epoch milliseconds. */
  readonly newestAt: number
  readonly events: number
}

/**
 * Everything Millrace remembers of one user. History is the state; factors are derived from it and may be absent.
 * Bounded: at most HISTORY_MAX entries and EVENT_IDS_MAX remembered ids.
 */
export interface UserRecord {
  /** 0 for a user never written; each swap raises it by one. */
  readonly revision: number
  /** Distinct applied events, evicted items included. */
  readonly events: number
  /** Newest event time, epoch milliseconds; 0 without events. */
  readonly lastEventAt: number
  /** Milliseconds from the append of the newest applied record to its effect; null before the first. */
  readonly lastFreshnessMs: number | null
  /** Newest event last; order otherwise unspecified. */
  readonly history: readonly HistoryEntry[]
  /** partition -> offset of the last applied record. */
  readonly appliedOffsets: Readonly<Record<number, number>>
  /** 48-bit hashes of the last EVENT_IDS_MAX event ids, oldest first. */
  readonly eventIdHashes: readonly number[]
  /** Solved against the item factors of `modelVersion` (the id of a serving model); null where not solved or where the edge is to solve on read. */
  readonly factors: { readonly modelVersion: string; readonly vector: Float32Array } | null
}

export const EMPTY_USER: UserRecord = {
  revision: 0,
  events: 0,
  lastEventAt: 0,
  lastFreshnessMs: null,
  history: [],
  appliedOffsets: {},
  eventIdHashes: [],
  factors: null,
}
