import type { HistoryEntry } from '../../schemas/user-record.ts'

/** From this many events on, building an index of the history beats scanning it for each event. */
const INDEX_PAYS_FROM = 6

type Draft = { -readonly [Name in keyof HistoryEntry]: HistoryEntry[Name] }

/** A user's history while events are being added to it. Entries of the given history are never changed. */
export class ItemStrengths {
  private readonly entries: HistoryEntry[]
  private readonly given: readonly HistoryEntry[]
  private readonly index: Map<string, number> | null
  private readonly halfLifeMs: number

  constructor(history: readonly HistoryEntry[], halfLifeMs: number, eventsExpected: number) {
    this.given = history
    this.entries = history.slice()
    this.halfLifeMs = halfLifeMs
    this.index =
      eventsExpected >= INDEX_PAYS_FROM
        ? new Map(history.map((entry, position) => [entry.itemId, position] as const))
        : null
  }

  /** The older side is decayed to the newer one's time, so the exponent is never positive and any order agrees. */
  add(itemId: string, timestamp: number, weight: number): void {
    const draft = this.draftOf(itemId)
    if (draft === null) {
      this.index?.set(itemId, this.entries.length)
      this.entries.push({ itemId, strength: weight, newestAt: timestamp, events: 1 })
      return
    }
    if (timestamp > draft.newestAt) {
      draft.strength = draft.strength * decay(timestamp - draft.newestAt, this.halfLifeMs) + weight
      draft.newestAt = timestamp
    } else {
      draft.strength += weight * decay(draft.newestAt - timestamp, this.halfLifeMs)
    }
    draft.events++
  }

  /** At most `historyMax` entries, newest event last; the items with the oldest newest-event go, ties by item id. */
  toHistory(historyMax: number): readonly HistoryEntry[] {
    const { entries } = this
    if (entries.length > historyMax) return entries.sort(byNewestEvent).slice(entries.length - historyMax)
    let newest = 0
    for (let position = 1; position < entries.length; position++) {
      const [entry, best] = [entries[position], entries[newest]]
      if (entry && best && byNewestEvent(entry, best) > 0) newest = position
    }
    const [last, best] = [entries.at(-1), entries[newest]]
    if (last && best) {
      entries[newest] = last
      entries[entries.length - 1] = best
    }
    return entries
  }

  private draftOf(itemId: string): Draft | null {
    const position = this.index ? (this.index.get(itemId) ?? -1) : this.scanFor(itemId)
    const entry = this.entries[position]
    if (!entry) return null
    if (entry !== this.given[position]) return entry as Draft
    const draft = { ...entry }
    this.entries[position] = draft
    return draft
  }

  private scanFor(itemId: string): number {
    for (let position = this.entries.length - 1; position >= 0; position--) {
      if (this.entries[position]?.itemId === itemId) return position
    }
    return -1
  }
}

/** 2^-(age / half-life); 0 where the age is too great to be told from forever. */
export function decay(ageMs: number, halfLifeMs: number): number {
  return ageMs === 0 ? 1 : 2 ** -(ageMs / halfLifeMs)
}

/** Ascending; of two items of the same time the one with the smaller id is the older one. */
function byNewestEvent(left: HistoryEntry, right: HistoryEntry): number {
  return left.newestAt - right.newestAt || (left.itemId < right.itemId ? -1 : left.itemId > right.itemId ? 1 : 0)
}
