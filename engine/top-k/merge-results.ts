import type { TopQuery, TopResult } from '../scoring/port.ts'

/** The part of a query that concerns `items` vectors from `from` on, with indexes counted from there. */
export function cutQuery(query: TopQuery, from: number, items: number): TopQuery {
  const { vector, k, exclude, allow } = query
  const own = exclude?.filter((item) => item >= from && item < from + items).map((item) => item - from)
  return {
    vector,
    k,
    ...(own && { exclude: own }),
    ...(allow && { allow: allow.subarray(from, from + items) }),
  }
}

/**
 * The k best of two results over different vectors. The later result's indexes are moved up by `offset`; of equal scores
 * the one goes first for which `isFirst(item, laterItem)` says so.
 */
export function mergeResults(
  one: TopResult,
  later: TopResult,
  offset: number,
  k: number,
  isFirst: (item: number, laterItem: number) => boolean = () => true,
): TopResult {
  const count = Math.min(k, one.items.length + later.items.length)
  const items = new Int32Array(count)
  const scores = new Float32Array(count)
  let i = 0
  let j = 0
  const takesOne = (): boolean => {
    if (j === later.items.length) return true
    if (i === one.items.length) return false
    const difference = one.scores[i]! - later.scores[j]!
    return difference === 0 ? isFirst(one.items[i]!, later.items[j]! + offset) : difference > 0
  }
  for (let rank = 0; rank < count; rank++) {
    const takes = takesOne()
    items[rank] = takes ? one.items[i]! : later.items[j]! + offset
    scores[rank] = takes ? one.scores[i++]! : later.scores[j++]!
  }
  return { items, scores }
}
