import { LRUCache } from 'lru-cache'
import type { CachedList } from '../port.ts'

/** A user's current revision and the lists computed from it, by scenario. */
interface Slot {
  readonly revision: number
  readonly lists: Map<string, { readonly list: CachedList; readonly storedAt: number; readonly ttlMs: number }>
}

/** Scenarios cached for one user, at most; the oldest goes. */
const SCENARIOS_MAX = 8

/**
 * Cached lists with the users' current revisions beside them, so that a hit costs one look-up in memory. The single
 * writer calls `outdate` as it stages a swap: from then on no list of an older revision is stored or served.
 */
export class ListCache {
  private readonly slots: LRUCache<string, Slot>
  private readonly now: () => number

  constructor(entriesMax: number, now: () => number) {
    this.slots = new LRUCache({ max: entriesMax })
    this.now = now
  }

  get(userId: string, scenario: string, modelVersion: string | null, catalogueRevision: string): CachedList | null {
    const entry = this.slots.get(userId)?.lists.get(scenario)
    // Both ways, so that no list outlives its time because the clock was set back.
    if (entry === undefined || Math.abs(this.now() - entry.storedAt) >= entry.ttlMs) return null
    const { list } = entry
    return list.modelVersion === modelVersion && list.catalogueRevision === catalogueRevision ? list : null
  }

  /** `revision` is the user's current one; the caller has read it in this same turn. */
  put(userId: string, scenario: string, list: CachedList, revision: number, ttlMs: number): boolean {
    if (list.userRevision !== revision) return false
    let slot = this.slots.get(userId)
    if (slot?.revision !== revision) {
      slot = { revision, lists: new Map() }
      this.slots.set(userId, slot)
    }
    slot.lists.delete(scenario)
    slot.lists.set(scenario, { list, storedAt: this.now(), ttlMs })
    if (slot.lists.size > SCENARIOS_MAX) {
      for (const oldest of slot.lists.keys()) {
        slot.lists.delete(oldest)
        break
      }
    }
    return true
  }

  outdate(userId: string): void {
    this.slots.delete(userId)
  }

  clear(): void {
    this.slots.clear()
  }
}
