import { type PairTable, sharedCopy } from './pair-table.ts'

/** Share of the catalogue that appears in at least one list. */
export function coverage(lists: readonly Int32Array[], catalogueItems: number): number {
  const shown = new Set<number>()
  for (const list of lists) for (const item of list) shown.add(item)
  return shown.size / catalogueItems
}

/**
 * Mean self-information of the shown items in bits: -log2 of the share of users who had the item in the past
 * (Zhou et al. 2010). High means that lists hold more than what everyone knows.
 */
export function novelty(lists: readonly Int32Array[], past: PairTable): number {
  const usersOfItem = new Int32Array(past.items)
  for (const item of past.itemRanks) usersOfItem[item]!++
  let usersWithPast = 0
  for (let user = 0; user < past.users; user++) if (past.pointers[user + 1]! > past.pointers[user]!) usersWithPast++
  let bits = 0
  let shown = 0
  for (const list of lists) {
    for (const item of list) bits -= Math.log2(Math.max(1, usersOfItem[item]!) / usersWithPast)
    shown += list.length
  }
  return shown === 0 ? 0 : bits / shown
}

/**
 * Gini coefficient of how often each item of the catalogue is shown: 0 when all are shown equally often, towards 1 when
 * a few items take every place.
 */
export function gini(lists: readonly Int32Array[], catalogueItems: number, items: number): number {
  const counts = new Float64Array(items)
  let total = 0
  for (const list of lists) {
    for (const item of list) counts[item]!++
    total += list.length
  }
  if (total === 0) return 0
  const shown = counts.filter((count) => count > 0).sort()
  const neverShown = catalogueItems - shown.length
  let weighted = 0
  for (let index = 0; index < shown.length; index++) weighted += (neverShown + index + 1) * shown[index]!
  return (2 * weighted) / (catalogueItems * total) - (catalogueItems + 1) / catalogueItems
}

/**
 * Intra-list diversity: 1 minus the mean cosine over all pairs of a list, averaged over lists of two items and more.
 * Items are compared by who had them in the past (strengths), the same space for every recommender.
 */
export function diversity(lists: readonly Int32Array[], cosine: (left: number, right: number) => number): number {
  return meanDiversity(Float64Array.from(lists, (list) => listDiversity(list, cosine)))
}

/** 1 minus the mean cosine over all pairs of one list; NaN for fewer than two items. */
export function listDiversity(list: Int32Array, cosine: (left: number, right: number) => number): number {
  if (list.length < 2) return Number.NaN
  let similarity = 0
  for (let left = 0; left < list.length; left++)
    for (let right = left + 1; right < list.length; right++) similarity += cosine(list[left]!, list[right]!)
  return 1 - similarity / ((list.length * (list.length - 1)) / 2)
}

/** The mean over the lists that have a diversity; 0 where none has. */
export function meanDiversity(diversities: Float64Array): number {
  const counted = diversities.filter((value) => !Number.isNaN(value))
  return counted.length === 0 ? 0 : counted.reduce((sum, value) => sum + value, 0) / counted.length
}

/** Pairs remembered, about 100 MB; when there are as many, all are forgotten. */
const PAIRS_KNOWN_MAX = 1 << 21

/** Cosine between the columns of two items, remembered per pair: lists repeat the same few pairs. */
export function createItemCosine(
  byItem: ItemColumns,
  pairsMax = PAIRS_KNOWN_MAX,
): (left: number, right: number) => number {
  const known = new Map<number, number>()
  return (left, right) => {
    const low = Math.min(left, right)
    const high = Math.max(left, right)
    const key = low * byItem.items + high
    const found = known.get(key)
    if (found !== undefined) return found
    const computed = columnCosine(byItem, low, high)
    if (known.size === pairsMax) known.clear()
    known.set(key, computed)
    return computed
  }
}

/** The pair table by item: users ascend within an item. */
export interface ItemColumns {
  readonly items: number
  /** Length items + 1. */
  readonly pointers: Int32Array
  readonly users: Int32Array
  readonly strengths: Float64Array
  /** Euclidean length of each item's column. */
  readonly norms: Float64Array
}

export function transposePairs(pairs: PairTable): ItemColumns {
  const pointers = new Int32Array(pairs.items + 1)
  for (const item of pairs.itemRanks) pointers[item + 1]!++
  for (let item = 0; item < pairs.items; item++) pointers[item + 1]! += pointers[item]!
  const next = pointers.slice()
  const users = new Int32Array(new SharedArrayBuffer(pairs.itemRanks.length * 4))
  const strengths = new Float64Array(new SharedArrayBuffer(pairs.itemRanks.length * 8))
  const squares = new Float64Array(pairs.items)
  for (let user = 0; user < pairs.users; user++) {
    for (let index = pairs.pointers[user]!; index < pairs.pointers[user + 1]!; index++) {
      const item = pairs.itemRanks[index]!
      const place = next[item]!++
      const strength = pairs.strengths[index]!
      users[place] = user
      strengths[place] = strength
      squares[item]! += strength * strength
    }
  }
  return {
    items: pairs.items,
    pointers: sharedCopy(pointers),
    users,
    strengths,
    norms: sharedCopy(squares.map(Math.sqrt)),
  }
}

function columnCosine(byItem: ItemColumns, left: number, right: number): number {
  const scale = byItem.norms[left]! * byItem.norms[right]!
  if (scale === 0) return 0
  let first = byItem.pointers[left]!
  let second = byItem.pointers[right]!
  const firstEnd = byItem.pointers[left + 1]!
  const secondEnd = byItem.pointers[right + 1]!
  let dot = 0
  while (first < firstEnd && second < secondEnd) {
    const difference = byItem.users[first]! - byItem.users[second]!
    if (difference === 0) dot += byItem.strengths[first++]! * byItem.strengths[second++]!
    else if (difference < 0) first++
    else second++
  }
  return dot / scale
}
