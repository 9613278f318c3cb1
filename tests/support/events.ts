import { EMPTY_USER } from '../../schemas/user-record.ts'

/** A line of an event file that the command line imports with --event-id. */
export interface FileEvent {
  readonly eventId: string
  readonly userId: string
  readonly itemId: string
  readonly type: string
  readonly timestamp: number
}

/** What event store and user state must hold after any history of crashes, computed from the input alone. */
export interface Oracle {
  readonly events: number
  /** userId -> distinct events. */
  readonly perUser: ReadonlyMap<string, number>
  /** userId -> itemId -> distinct events. */
  readonly perUserItem: ReadonlyMap<string, ReadonlyMap<string, number>>
}

/** Small seeded generator (mulberry32): the same seed gives the same file everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/**
 * `count` lines of which about one in twenty repeats, word for word, one of its user's last `repeatWithin` events:
 * a client that retried. Users are visited in runs, as baskets are.
 */
export function makeEvents(
  count: number,
  random: () => number,
  options = { users: 500, items: 300, repeatWithin: 10 },
): FileEvent[] {
  const types = ['view', 'click', 'purchase', 'like', 'dislike']
  const recent = new Map<string, FileEvent[]>()
  const events: FileEvent[] = []
  let [userId, timestamp] = ['', Date.UTC(2025, 0, 1)]
  while (events.length < count) {
    if (userId === '' || random() < 0.15) userId = `u${Math.floor(random() ** 2 * options.users)}`
    timestamp += Math.floor(random() * 2_000)
    const last = recent.get(userId) ?? []
    const repeated = last.length > 0 && random() < 0.05
    const event = repeated
      ? (last[Math.floor(random() * last.length)] as FileEvent)
      : {
          eventId: `e${events.length}`,
          userId,
          itemId: `i${Math.floor(random() ** 2 * options.items)}`,
          type: types[Math.floor(random() * types.length)] as string,
          timestamp,
        }
    if (!repeated) recent.set(userId, [...last, event].slice(-options.repeatWithin))
    events.push(event)
  }
  return events
}

export function oracleOf(events: readonly FileEvent[]): Oracle {
  const seen = new Set<string>()
  const perUser = new Map<string, number>()
  const perUserItem = new Map<string, Map<string, number>>()
  for (const { userId, itemId, eventId } of events) {
    const identity = `${userId} ${eventId}`
    if (seen.has(identity)) continue
    seen.add(identity)
    perUser.set(userId, (perUser.get(userId) ?? EMPTY_USER.events) + 1)
    const items = perUserItem.get(userId) ?? new Map<string, number>()
    perUserItem.set(userId, items.set(itemId, (items.get(itemId) ?? 0) + 1))
  }
  return { events: seen.size, perUser, perUserItem }
}
