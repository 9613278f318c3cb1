import type { StoredEvent } from '../../schemas/interaction.ts'
import type { EventWeights } from '../../schemas/settings.ts'
import type { UserRecord } from '../../schemas/user-record.ts'
import { EventIdWindow } from './event-id-window.ts'
import { eventWeight } from './event-weight.ts'
import { decay, ItemStrengths } from './item-strengths.ts'

export interface HistoryRules {
  readonly eventWeights: EventWeights
  readonly halfLifeMs: number
  /** Distinct items kept. */
  readonly historyMax: number
  /** Event ids remembered. */
  readonly eventIdsMax: number
}

export interface ItemStrength {
  readonly itemId: string
  /** Decayed to the user's newest event; may be negative, and 0 where likes and dislikes cancel out. */
  readonly strength: number
  readonly newestAt: number
}

/**
 * What a user's record becomes when `events` (all of that user, in append order within a partition) are applied.
 *
 * An event at or below its partition's applied offset changes nothing; a repeat of a remembered event id changes nothing
 * but that offset. Beyond the last `eventIdsMax` distinct ids a repeat at a new offset counts again. Any order of the
 * same distinct events gives the same strengths within 1e-9 relative (to the sum of absolute contributions) while the
 * user has at most `historyMax` distinct items; beyond, the items with the oldest newest-event are dropped at the end of
 * the call, and start from nothing when they return.
 * Nothing to apply returns `record` itself. Otherwise the revision is one higher and, where the history changed, `factors` is null as those belong
 * to the old history; `next.events - record.events` is the number of events applied. O(events + history), and a sort of
 * the history when it overflows.
 */
export function mergeEvents(record: UserRecord, events: readonly StoredEvent[], rules: HistoryRules): UserRecord {
  const appliedOffsets: Record<number, number> = { ...record.appliedOffsets }
  const fresh: StoredEvent[] = []
  for (const event of events) {
    if (event.offset <= (appliedOffsets[event.partition] ?? -1)) continue
    appliedOffsets[event.partition] = event.offset
    fresh.push(event)
  }
  if (fresh.length === 0) return record
  const window = new EventIdWindow(record.eventIdHashes, rules.eventIdsMax, fresh.length)
  const strengths = new ItemStrengths(record.history, rules.halfLifeMs, fresh.length)
  let applied = 0
  let lastEventAt = record.lastEventAt
  for (const event of fresh) {
    if (!window.add(event.eventId)) continue
    strengths.add(event.itemId, event.timestamp, eventWeight(event.type, event.value, rules.eventWeights))
    lastEventAt = Math.max(lastEventAt, event.timestamp)
    applied++
  }
  return {
    revision: record.revision + 1,
    events: record.events + applied,
    lastEventAt,
    lastFreshnessMs: record.lastFreshnessMs,
    history: applied > 0 ? strengths.toHistory(rules.historyMax) : record.history,
    appliedOffsets,
    eventIdHashes: window.toArray(),
    factors: applied > 0 ? null : record.factors,
  }
}

/** Each item's strength at the user's newest event (no wall clock; exponents never positive), in the record's order. */
export function historyStrengths(record: UserRecord, halfLifeMs: number): readonly ItemStrength[] {
  return record.history.map(({ itemId, strength, newestAt }) => ({
    itemId,
    strength: strength * decay(record.lastEventAt - newestAt, halfLifeMs),
    newestAt,
  }))
}

/** Everything that histories depend on, as a text: records built under another recipe must be rebuilt. */
export function historyRecipe(rules: HistoryRules): string {
  const weights = Object.entries(rules.eventWeights.weights)
  return JSON.stringify({
    weights: Object.fromEntries(weights.sort(([left], [right]) => (left < right ? -1 : 1))),
    valueScaledTypes: [...rules.eventWeights.valueScaledTypes].sort(),
    halfLifeMs: rules.halfLifeMs,
    historyMax: rules.historyMax,
    eventIdsMax: rules.eventIdsMax,
  })
}
