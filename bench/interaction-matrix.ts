import type { InteractionMatrix } from '../engine/als/port.ts'
import type { Pairs } from './interaction-file.ts'

/** A training matrix with items in order of their ids, as a Model wants them, and the users in the file's order. */
export interface NamedMatrix {
  readonly matrix: InteractionMatrix
  readonly itemIds: readonly string[]
  readonly userIds: readonly string[]
}

/** Weights of repeated pairs are added; a pair that cancels out is left out. Takes the columns of `pairs` over. */
export function matrixOfPairs(pairs: Pairs): NamedMatrix {
  const { users, userAt, weights } = pairs
  const itemIds = [...pairs.items].sort((left, right) => (left < right ? -1 : 1))
  const rankOf = new Map(itemIds.map((id, rank) => [id, rank]))
  const ranks = Int32Array.from(pairs.items, (id) => rankOf.get(id)!)
  const { itemAt } = pairs
  for (let at = 0; at < itemAt.length; at++) itemAt[at] = ranks[itemAt[at]!]!
  const byItem = placed(null, itemAt, itemIds.length).order
  const { order, pointers } = placed(byItem, userAt, users.length)
  const rowPointers = new Int32Array(users.length + 1)
  const itemIndices = new Int32Array(order.length)
  const strengths = new Float32Array(order.length)
  let size = 0
  for (let user = 0; user < users.length; user++) {
    for (let at = pointers[user]!; at < pointers[user + 1]!; ) {
      const item = itemAt[order[at]!]!
      let strength = 0
      for (; at < pointers[user + 1]! && itemAt[order[at]!] === item; at++) strength += weights[order[at]!]!
      if (Math.fround(strength) === 0) continue
      itemIndices[size] = item
      strengths[size++] = strength
    }
    rowPointers[user + 1] = size
  }
  const matrix = {
    users: users.length,
    items: itemIds.length,
    rowPointers,
    itemIndices: itemIndices.subarray(0, size),
    strengths: strengths.subarray(0, size),
  }
  return { matrix, itemIds, userIds: users }
}

/** A stable counting sort of `order` (null: as they are) by key. */
function placed(order: Int32Array | null, keys: Int32Array, size: number): { order: Int32Array; pointers: Int32Array } {
  const pointers = new Int32Array(size + 1)
  for (const key of keys) pointers[key + 1]!++
  for (let key = 0; key < size; key++) pointers[key + 1]! += pointers[key]!
  const next = pointers.slice()
  const sorted = new Int32Array(keys.length)
  for (let place = 0; place < keys.length; place++) {
    const at = order === null ? place : order[place]!
    sorted[next[keys[at]!]!++] = at
  }
  return { order: sorted, pointers }
}
