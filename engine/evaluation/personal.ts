import type { Scorer } from '../scoring/port.ts'
import { itemsOf, type PairTable, strengthsOf } from './pair-table.ts'
import { fillUp, type Recommend } from './recommender.ts'

/**
 * A model as it serves: the user's vector is the exact fold-in of the whole past, the list the exact top-k without what
 * the user has. Users whose vector is zero (no past the model knows, only dislikes) get `fallback`, and short lists are
 * filled from it. `itemIds` are the ids by rank; items of the model that are not among them are never listed.
 */
export function recommendPersonal(
  scorer: Scorer,
  past: PairTable,
  itemIds: readonly string[],
  fallback: Int32Array,
): Recommend {
  const modelItemOfRank = Int32Array.from(itemIds, (itemId) => scorer.indexOf(itemId) ?? -1)
  const rankOfModelItem = new Int32Array(scorer.itemIds.length).fill(-1)
  for (let rank = 0; rank < modelItemOfRank.length; rank++) {
    const item = modelItemOfRank[rank]!
    if (item >= 0) rankOfModelItem[item] = rank
  }
  const foreign = rankOfModelItem.includes(-1)
  const allow = foreign ? Uint8Array.from(rankOfModelItem, (rank) => (rank < 0 ? 0 : 1)) : null
  return (user, k) => {
    const seen = itemsOf(past, user)
    const observations = observed(seen, strengthsOf(past, user), modelItemOfRank)
    const vector = scorer.foldIn(observations)
    if (vector.every((coordinate) => coordinate === 0)) return fillUp(new Int32Array(0), fallback, seen, k)
    const exclude = seen.map((rank) => modelItemOfRank[rank]!).filter((item) => item >= 0)
    const top = scorer.top({ vector, k, exclude, ...(allow && { allow }) })
    return fillUp(
      top.items.map((item) => rankOfModelItem[item]!),
      fallback,
      seen,
      k,
    )
  }
}

function observed(ranks: Int32Array, strengths: Float64Array, modelItemOfRank: Int32Array) {
  const items = new Int32Array(ranks.length)
  const kept = new Float64Array(ranks.length)
  let length = 0
  for (let index = 0; index < ranks.length; index++) {
    const item = modelItemOfRank[ranks[index]!]!
    if (item < 0 || strengths[index] === 0) continue
    items[length] = item
    kept[length++] = strengths[index]!
  }
  return { items: items.subarray(0, length), strengths: kept.subarray(0, length) }
}
