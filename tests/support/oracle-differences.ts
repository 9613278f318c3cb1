import { historyStrengths } from '../../engine/history/history.ts'
import type { StoredEvent } from '../../schemas/interaction.ts'
import type { Backends } from '../../services/runtime/context.ts'
import { type FileEvent, oracleOf } from './events.ts'

/** The defaults of HALF_LIFE_DAYS and EVENT_WEIGHTS. */
const HALF_LIFE_MS = 90 * 86_400_000
const WEIGHTS: Readonly<Record<string, number>> = { view: 1, click: 2, purchase: 8, like: 5, dislike: -5 }
const DIFFERENCES_MAX = 20

type Stores = Pick<Backends, 'eventStore' | 'userState'>

/** Where event store and user state differ from what the events themselves say, event for event; empty: nowhere. */
export async function differencesToOracle(events: readonly FileEvent[], stores: Stores): Promise<readonly string[]> {
  const { signal } = new AbortController()
  const oracle = oracleOf(events)
  const differences: string[] = []
  const compare = (what: string, found: unknown, wanted: unknown) => {
    if (found !== wanted) differences.push(`${what}: ${found} instead of ${wanted}`)
  }
  const totals = await stores.userState.totals({ signal })
  compare('events in the event store', await stores.eventStore.count({ signal }), oracle.events)
  compare('users in user state', totals.users, oracle.perUser.size)
  compare('events in user state', totals.events, oracle.events)

  const strengths = strengthsOf(events)
  for (const [userId, own] of Map.groupBy(distinct(events), (event) => event.userId)) {
    const stored = await stores.eventStore.userEvents(userId, { limit: events.length, signal })
    const [found, wanted] = [new Set(stored.map(textOf)), new Set(own.map(textOf))]
    compare(`number of stored events of ${userId}`, stored.length, own.length)
    for (const event of wanted.difference(found)) differences.push(`the store lacks ${userId} ${event}`)
    for (const event of found.difference(wanted)) differences.push(`the store invented ${userId} ${event}`)
    const record = await stores.userState.get(userId, { signal })
    compare(`counted events of ${userId}`, record?.events, own.length)
    const items = oracle.perUserItem.get(userId) ?? new Map()
    compare(`items of ${userId}`, record?.history.length, items.size)
    for (const { itemId, events: count } of record?.history ?? []) {
      compare(`events of ${userId} with ${itemId}`, count, items.get(itemId))
    }
    for (const { itemId, strength } of record === null ? [] : historyStrengths(record, HALF_LIFE_MS)) {
      const wanted = strengths.get(`${userId} ${itemId}`) ?? Number.NaN
      const near = Math.abs(strength - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted))
      if (!near) differences.push(`strength of ${userId} with ${itemId}: ${strength} instead of ${wanted}`)
    }
    if (differences.length > DIFFERENCES_MAX) break
  }
  return differences
}

function textOf({ eventId, itemId, type, timestamp }: FileEvent | StoredEvent): string {
  return `${eventId} ${itemId} ${type} ${timestamp}`
}

function distinct(events: readonly FileEvent[]): readonly FileEvent[] {
  return [...new Map(events.map((event) => [`${event.userId} ${event.eventId}`, event])).values()]
}

/** Strengths by the definition: every distinct event's weight, decayed from the user's newest event. */
function strengthsOf(events: readonly FileEvent[]): Map<string, number> {
  const newest = new Map<string, number>()
  for (const { userId, timestamp } of events) newest.set(userId, Math.max(timestamp, newest.get(userId) ?? 0))
  const strengths = new Map<string, number>()
  for (const { userId, itemId, type, timestamp } of distinct(events)) {
    const age = (newest.get(userId) as number) - timestamp
    const key = `${userId} ${itemId}`
    strengths.set(key, (strengths.get(key) ?? 0) + (WEIGHTS[type] as number) * 2 ** (-age / HALF_LIFE_MS))
  }
  return strengths
}
