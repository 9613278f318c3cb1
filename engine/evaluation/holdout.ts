import { itemsOf, type PairTable, strengthsOf } from './pair-table.ts'

/**
 * What a recommender is asked to foresee: per user the *relevant* items: those the user turned to in the future (net
 * strength positive) and never in the past. Items that the past does not know are relevant too: no list can hold
 * them, they stay in the denominators.
 */
export interface Holdout {
  /** Users with at least one relevant item, ascending. */
  readonly users: Int32Array
  /** Length users.length + 1, into `itemRanks`. */
  readonly pointers: Int32Array
  readonly itemRanks: Int32Array
  readonly events: number
  /** Users with any event in the future. */
  readonly usersTotal: number
  /** Of those, users without any event in the past. */
  readonly usersWithoutPast: number
  /** Future pairs left out because the user has the item in the past. */
  readonly repeatsExcluded: number
  /** Relevant pairs whose item the past does not know. */
  readonly unknownItems: number
}

export function buildHoldout(past: Omit<PairTable, 'strengths'>, future: PairTable): Holdout {
  const known = new Uint8Array(past.items)
  for (const item of past.itemRanks) known[item] = 1
  const users: number[] = []
  const ends: number[] = [0]
  const itemRanks: number[] = []
  const counts = { usersTotal: 0, usersWithoutPast: 0, repeatsExcluded: 0, unknownItems: 0 }
  for (let user = 0; user < future.users; user++) {
    const items = itemsOf(future, user)
    if (items.length === 0) continue
    const strengths = strengthsOf(future, user)
    const seen = new Set(itemsOf(past, user))
    counts.usersTotal++
    if (seen.size === 0) counts.usersWithoutPast++
    const before = itemRanks.length
    for (let index = 0; index < items.length; index++) {
      const item = items[index]!
      if (seen.has(item)) counts.repeatsExcluded++
      else if (strengths[index]! > 0) {
        itemRanks.push(item)
        if (known[item] === 0) counts.unknownItems++
      }
    }
    if (itemRanks.length === before) continue
    users.push(user)
    ends.push(itemRanks.length)
  }
  return {
    users: Int32Array.from(users),
    pointers: Int32Array.from(ends),
    itemRanks: Int32Array.from(itemRanks),
    events: future.events,
    ...counts,
  }
}
