import { type ItemColumns, transposePairs } from './catalogue-metrics.ts'
import { itemsOf, type PairTable, sharedCopy, strengthsOf } from './pair-table.ts'
import { fillUp, type Recommend } from './recommender.ts'
import { createSparseSums, highestPositive, type SparseSums } from './sparse-sums.ts'

/** Per item its most similar items, best first, ties by rank; positive similarities only. */
export interface Neighbours {
  /** Length items + 1. */
  readonly pointers: Int32Array
  readonly items: Int32Array
  readonly similarities: Float64Array
}

/** Every positive strength as 1: items are then alike by who likes them at all, which is the stronger baseline. */
export function likesOf(pairs: PairTable): PairTable {
  return { ...pairs, strengths: pairs.strengths.map((strength) => (strength > 0 ? 1 : 0)) }
}

/**
 * The `neighbours` most similar items of every item: cosine of the items' columns of decayed strengths (Sarwar et al.
 * 2001). Costs the sum over users of (history length)^2 additions; twin: item-knn.twin.ts.
 */
export function nearestItems(pairs: PairTable, neighbours: number): Neighbours {
  const byItem = transposePairs(pairs)
  const pointers = new Int32Array(pairs.items + 1)
  let items = new Int32Array(Math.min(1 << 20, pairs.items * neighbours))
  let similarities = new Float64Array(items.length)
  let size = 0
  const sums = createSparseSums(pairs.items)
  for (let item = 0; item < pairs.items; item++) {
    addCosines(pairs, byItem, item, sums)
    const nearest = highestPositive(sums.values, sums.touched(), neighbours)
    if (size + nearest.length > items.length) {
      const room = 2 * (size + nearest.length)
      items = grown(items, new Int32Array(room))
      similarities = grown(similarities, new Float64Array(room))
    }
    for (const other of nearest) {
      items[size] = other
      similarities[size++] = sums.values[other]!
    }
    pointers[item + 1] = size
    sums.clear()
  }
  return {
    pointers: sharedCopy(pointers),
    items: sharedCopy(items.subarray(0, size)),
    similarities: sharedCopy(similarities.subarray(0, size)),
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
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

/** The cosine of `item` with every item that shares a user, itself left at 0. */
function addCosines(pairs: PairTable, byItem: ItemColumns, item: number, sums: SparseSums): void {
  const { pointers, itemRanks, strengths } = pairs
  for (let place = byItem.pointers[item]!; place < byItem.pointers[item + 1]!; place++) {
    const user = byItem.users[place]!
    const strength = byItem.strengths[place]!
    for (let index = pointers[user]!; index < pointers[user + 1]!; index++) {
      sums.add(itemRanks[index]!, strength * strengths[index]!)
    }
  }
  const { values } = sums
  const norm = byItem.norms[item]!
  for (const other of sums.touched()) {
    const scale = norm * byItem.norms[other]!
    values[other] = other === item || scale === 0 ? 0 : values[other]! / scale
  }
}
