import { LRUCache } from 'lru-cache'
import type { CachedList } from '../port.ts'

/** A user's current revision and the lists computed from it, by scenario. */
interface Slot {
  readonly revision: number
  readonly lists: Map<string, { readonly list: CachedList; readonly storedAt: number; readonly ttlMs: number }>
}

/** Scenarios cached for one user, at most; the oldest goes. */
const SCENARIOS_MAX = 8
/** Of all cached lists together: about as many bytes, as lists are ASCII but for titles of categories. */
export const LIST_CHARACTERS_MAX = 268_435_456
/** What a slot takes beside its lists. */
const SLOT_CHARACTERS = 256

/**
 * Cached lists with the users' current revisions beside them, so that a hit costs one look-up in memory. The single
 * writer calls `outdate` as it stages a swap: from then on no list of an older revision is stored or served.
 */
export class ListCache {
  private readonly slots: LRUCache<string, Slot>
  private readonly now: () => number

  constructor(entriesMax: number, now: () => number) {
    this.slots = new LRUCache({ max: entriesMax, maxSize: LIST_CHARACTERS_MAX, sizeCalculation: sizeOf })
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
    const known = this.slots.get(userId)
    const slot: Slot = { revision, lists: known?.revision === revision ? known.lists : new Map() }
    slot.lists.delete(scenario)
    slot.lists.set(scenario, { list, storedAt: this.now(), ttlMs })
    if (slot.lists.size > SCENARIOS_MAX) {
      for (const oldest of slot.lists.keys()) {
        slot.lists.delete(oldest)
        break
      }
    }
    // A new slot each time, so that its size is counted anew.
    this.slots.set(userId, slot)
    return true
  }

  outdate(userId: string): void {
    this.slots.delete(userId)
  }

  clear(): void {
    this.slots.clear()
  }
}

function sizeOf({ lists }: Slot): number {
  let characters = SLOT_CHARACTERS
  for (const { list } of lists.values()) characters += list.body.length
  return characters
}
