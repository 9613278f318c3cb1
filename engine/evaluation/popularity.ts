import type { PairTable } from './pair-table.ts'
import { itemsOf } from './pair-table.ts'
import { firstUnseen, type Recommend } from './recommender.ts'

/** Items with a positive score, best first, ties by rank (item id). */
export function popularityOrder(scores: Float64Array): Int32Array {
  const items: number[] = []
  for (let item = 0; item < scores.length; item++) if (scores[item]! > 0) items.push(item)
  return Int32Array.from(items.sort((left, right) => scores[right]! - scores[left]! || left - right))
}

/** The popularity baseline: the same order for everyone, without what the user has. */
export function recommendPopular(order: Int32Array, past: PairTable): Recommend {
  return (user, k) => firstUnseen(order, itemsOf(past, user), k)
}
