import type { TopResult } from './port.ts'

/** Merges the best of the model with the best of the supplement, whose indexes are moved up by `offset`; ties by item id. */
export function mergeTop(
  model: TopResult,
  supplement: TopResult,
  offset: number,
  k: number,
  itemIds: readonly string[],
): TopResult {
  const count = Math.min(k, model.items.length + supplement.items.length)
  const items = new Int32Array(count)
  const scores = new Float32Array(count)
  let own = 0
  let later = 0
  for (let rank = 0; rank < count; rank++) {
    if (isBefore(model, own, supplement, later, offset, itemIds)) {
      items[rank] = model.items[own]!
      scores[rank] = model.scores[own++]!
    } else {
      items[rank] = supplement.items[later]! + offset
      scores[rank] = supplement.scores[later++]!
    }
  }
  return { items, scores }
}

function isBefore(
  model: TopResult,
  own: number,
  supplement: TopResult,
  later: number,
  offset: number,
  itemIds: readonly string[],
): boolean {
  if (later === supplement.items.length) return true
  if (own === model.items.length) return false
  const difference = model.scores[own]! - supplement.scores[later]!
  if (difference !== 0) return difference > 0
  return itemIds[model.items[own]!]! < itemIds[supplement.items[later]! + offset]!
}
