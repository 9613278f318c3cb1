import { LRUCache } from 'lru-cache'
import type { StoredList } from './stored-list.ts'

/** Characters of all lists in this process, at most. */
const CHARACTERS_MAX = 256 * 2 ** 20
/** What a user without lists counts as. */
const EMPTY_CHARACTERS = 200
/** No user's id: the cache fills all its tables anew when its last entry goes, which one that stays spares it. */
const KEEPER = ''
const NO_LISTS: UserLists = new Map()

/** A user's lists by scenario; having none is worth knowing too. */
export type UserLists = ReadonlyMap<string, StoredList>

interface Slot {
  /** null while they are being read. */
  lists: UserLists | null
  readonly reading: Promise<UserLists>
}

/**
 * Lists that the server has promised to tell us changes of. A slot is made before the read that fills it is sent, so
 * that a change which the server reports among the replies takes the slot away, and a late reply fills nothing.
 */
export class LocalLists {
  private readonly slots: LRUCache<string, Slot>
  hits = 0
  reads = 0

  constructor(usersMax: number) {
    this.slots = new LRUCache({ max: usersMax, maxSize: CHARACTERS_MAX, sizeCalculation: sizeOf })
  }

  /** null where they would have to be read, or are being read. */
  peek(userId: string): UserLists | null {
    return this.slots.get(userId)?.lists ?? null
  }

  /** Reads a user's lists; callers at the same time share one read as long as nothing has changed meanwhile. */
  read(userId: string, load: () => Promise<UserLists>): Promise<UserLists> {
    const running = this.slots.get(userId)
    if (running?.lists === null) return running.reading
    this.reads++
    if (this.slots.size === 0) this.slots.set(KEEPER, { lists: NO_LISTS, reading: Promise.resolve(NO_LISTS) })
    const slot: Slot = { lists: null, reading: load() }
    this.slots.set(userId, slot)
    slot.reading.then(
      (lists) => {
        if (this.slots.peek(userId) !== slot) return
        this.slots.set(userId, { ...slot, lists })
      },
      () => {
        if (this.slots.peek(userId) === slot) this.slots.delete(userId)
      },
    )
    return slot.reading
  }

  outdate(userId: string): void {
    this.slots.delete(userId)
  }

  clear(): void {
    this.slots.clear()
  }

  get size(): number {
    return this.slots.size - (this.slots.has(KEEPER) ? 1 : 0)
  }
}

function sizeOf({ lists }: Slot): number {
  let characters = EMPTY_CHARACTERS
  for (const { list } of lists?.values() ?? []) characters += list.body.length
  return characters
}
