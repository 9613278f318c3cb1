import type { EventColumns } from '../../schemas/event-columns.ts'
import type { InteractionMatrix } from '../als/port.ts'
import { type PairTable, sharedCopy } from '../evaluation/pair-table.ts'
import { eventWeight } from '../history/event-weight.ts'

const DAY_MS = 86_400_000

/** How events become strengths. */
export interface StrengthRules {
  /** By event type; a type not listed weighs 0, but its item still counts as seen. */
  readonly weights: Readonly<Record<string, number>>
  /** Types whose weight is multiplied by the event's value, where it has one. */
  readonly valueScaledTypes: readonly string[]
  readonly halfLifeDays: number
}

/** Events [from, to) of the columns. */
export interface EventRange {
  readonly from: number
  readonly to: number
}

/** The catalogue in ascending order of item id; `rankOfItem` maps indexes of `EventColumns.items` to it. */
export interface ItemOrder {
  readonly itemIds: readonly string[]
  readonly rankOfItem: Int32Array
}

export function orderItems(items: readonly string[]): ItemOrder {
  const order = items.map((_, index) => index).sort((left, right) => (items[left]! < items[right]! ? -1 : 1))
  const rankOfItem = new Int32Array(items.length)
  for (const [rank, item] of order.entries()) rankOfItem[item] = rank
  return { itemIds: order.map((item) => items[item]!), rankOfItem }
}

/**
 * Sums the events of a range per (user, item): weight * 2^-(age / half-life), age measured back from the user's newest
 * event *within the range*, in float64. Nothing outside the range has any influence.
 */
export function aggregatePairs(
  columns: EventColumns,
  order: ItemOrder,
  range: EventRange,
  rules: StrengthRules,
): PairTable {
  const users = columns.users.length
  const items = order.itemIds.length
  const weighOf = weigher(columns, rules)
  const byUser = groupByUser(columns, range)
  const pointers = new Int32Array(users + 1)
  const itemRanks = new Int32Array(range.to - range.from)
  const strengths = new Float64Array(range.to - range.from)
  const sums = new Float64Array(items)
  const lastUser = new Int32Array(items).fill(-1)
  const halfLifeMs = rules.halfLifeDays * DAY_MS
  let pairs = 0
  for (let user = 0; user < users; user++) {
    const start = byUser.pointers[user]!
    const end = byUser.pointers[user + 1]!
    const first = pairs
    // Events ascend in time, so the user's last one is the newest.
    const newest = end > start ? columns.timestamp[byUser.events[end - 1]!]! : 0
    for (let place = start; place < end; place++) {
      const event = byUser.events[place]!
      const item = order.rankOfItem[columns.itemIndex[event]!]!
      if (lastUser[item] !== user) {
        lastUser[item] = user
        sums[item] = 0
        itemRanks[pairs++] = item
      }
      sums[item]! += weighOf(event) * 2 ** (-(newest - columns.timestamp[event]!) / halfLifeMs)
    }
    itemRanks.subarray(first, pairs).sort()
    for (let place = first; place < pairs; place++) strengths[place] = sums[itemRanks[place]!]!
    pointers[user + 1] = pairs
  }
  return {
    users,
    items,
    pointers: sharedCopy(pointers),
    itemRanks: sharedCopy(itemRanks.subarray(0, pairs)),
    strengths: sharedCopy(strengths.subarray(0, pairs)),
    events: range.to - range.from,
  }
}

/** What a trainer takes, with the way back from its rows and columns. */
export interface CompactMatrix {
  readonly matrix: InteractionMatrix
  /** Rows -> indexes into `EventColumns.users`. */
  readonly userOfRow: Int32Array
  /** Columns -> item ranks, ascending. */
  readonly rankOfColumn: Int32Array
}

/**
 * The pair table without empty users and items, strengths as float32. Pairs whose strength is 0 (or too small for
 * float32) are left out; strengths beyond float32's range stop at its largest value.
 */
export function toMatrix(pairs: PairTable): CompactMatrix {
  const columnOfRank = new Int32Array(pairs.items)
  let kept = 0
  for (let place = 0; place < pairs.itemRanks.length; place++) {
    if (strengthAsFloat32(pairs.strengths[place]!) === 0) continue
    columnOfRank[pairs.itemRanks[place]!] = 1
    kept++
  }
  const ranks: number[] = []
  for (let rank = 0; rank < pairs.items; rank++) if (columnOfRank[rank] === 1) columnOfRank[rank] = ranks.push(rank) - 1
  const itemIndices = sharedInts(kept)
  const strengths = new Float32Array(new SharedArrayBuffer(kept * 4))
  const users: number[] = []
  const ends: number[] = []
  let next = 0
  for (let user = 0; user < pairs.users; user++) {
    const before = next
    for (let place = pairs.pointers[user]!; place < pairs.pointers[user + 1]!; place++) {
      const strength = strengthAsFloat32(pairs.strengths[place]!)
      if (strength === 0) continue
      itemIndices[next] = columnOfRank[pairs.itemRanks[place]!]!
      strengths[next++] = strength
    }
    if (next === before) continue
    users.push(user)
    ends.push(next)
  }
  const rowPointers = sharedInts(users.length + 1)
  rowPointers.set(ends, 1)
  return {
    matrix: { users: users.length, items: ranks.length, rowPointers, itemIndices, strengths },
    userOfRow: Int32Array.from(users),
    rankOfColumn: Int32Array.from(ranks),
  }
}

/** Decayed popularity by item rank: as strengths, but age measured back from the newest event of the range. */
export function popularityScores(
  columns: EventColumns,
  order: ItemOrder,
  range: EventRange,
  rules: StrengthRules,
): Float64Array {
  const scores = new Float64Array(order.itemIds.length)
  const weighOf = weigher(columns, rules)
  const newest = range.to > range.from ? columns.timestamp[range.to - 1]! : 0
  const halfLifeMs = rules.halfLifeDays * DAY_MS
  for (let event = range.from; event < range.to; event++) {
    const decay = 2 ** (-(newest - columns.timestamp[event]!) / halfLifeMs)
    scores[order.rankOfItem[columns.itemIndex[event]!]!]! += weighOf(event) * decay
  }
  return scores
}

function weigher(columns: EventColumns, rules: StrengthRules): (event: number) => number {
  const eventWeights = { weights: rules.weights, valueScaledTypes: new Set(rules.valueScaledTypes) }
  return (event) => {
    const value = columns.value[event]!
    return eventWeight(columns.types[columns.typeIndex[event]!]!, Number.isNaN(value) ? null : value, eventWeights)
  }
}

/** Event indexes of a range by user, order of time kept within a user. */
function groupByUser(columns: EventColumns, range: EventRange): { pointers: Int32Array; events: Int32Array } {
  const pointers = new Int32Array(columns.users.length + 1)
  for (let event = range.from; event < range.to; event++) pointers[columns.userIndex[event]! + 1]!++
  for (let user = 0; user < columns.users.length; user++) pointers[user + 1]! += pointers[user]!
  const next = pointers.slice()
  const events = new Int32Array(range.to - range.from)
  for (let event = range.from; event < range.to; event++) events[next[columns.userIndex[event]!]!++] = event
  return { pointers, events }
}

const FLOAT32_MAX = 3.4e38

function strengthAsFloat32(strength: number): number {
  return Math.fround(Math.max(-FLOAT32_MAX, Math.min(FLOAT32_MAX, strength)))
}

function sharedInts(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * 4))
}
