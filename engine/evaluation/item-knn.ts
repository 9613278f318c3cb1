import type { Neighbours } from './nearest-items.ts'
import { itemsOf, type PairTable, sharedCopy, strengthsOf } from './pair-table.ts'
import { fillUp, type Recommend } from './recommender.ts'
import { createSparseSums, highestPositive } from './sparse-sums.ts'

/** Every positive strength as 1: items are then alike by who likes them at all, which is the stronger baseline. */
export function likesOf(pairs: PairTable): PairTable {
  return { ...pairs, strengths: sharedCopy(pairs.strengths.map((strength) => (strength > 0 ? 1 : 0))) }
}

/**
 * Scores items by the sum over the user's history of strength times similarity, each item's first `neighbours` taken; items with a positive score, best
 * first, ties by rank, filled up from `fallback` (the popularity order).
 */
export function recommendItemKnn(
  nearest: Neighbours,
  neighbours: number,
  past: PairTable,
  fallback: Int32Array,
): Recommend {
  const sums = createSparseSums(past.items)
  return (user, k) => {
    const history = itemsOf(past, user)
    const strengths = strengthsOf(past, user)
    for (let index = 0; index < history.length; index++) {
      const item = history[index]!
      const end = Math.min(nearest.pointers[item + 1]!, nearest.pointers[item]! + neighbours)
      for (let place = nearest.pointers[item]!; place < end; place++) {
        sums.add(nearest.items[place]!, strengths[index]! * nearest.similarities[place]!)
      }
    }
    for (const item of history) sums.values[item] = 0
    const list = highestPositive(sums.values, sums.touched(), k)
    sums.clear()
    return fillUp(list, fallback, history, k)
  }
}
