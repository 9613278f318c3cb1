import type { InteractionMatrix } from '../engine/als/port.ts'
import type { Pairs } from './interaction-file.ts'

/** A training matrix with items in order of their ids, as a Model wants them, and the users in the file's order. */
export interface NamedMatrix {
  readonly matrix: InteractionMatrix
  readonly itemIds: readonly string[]
  readonly userIds: readonly string[]
}

/**
 * Weights of repeated pairs are added, in the order of the file; a pair that cancels out is left out. Takes the columns of
 * `pairs` over: their memory is given back as soon as the matrix holds them, and they are empty afterwards.
 */
export function matrixOfPairs(pairs: Pairs): NamedMatrix {
  const { users, userAt, itemAt, weights } = pairs
  const itemIds = [...pairs.items].sort((left, right) => (left < right ? -1 : 1))
  const rankOf = new Map(itemIds.map((id, rank) => [id, rank]))
  const ranks = Int32Array.from(pairs.items, (id) => rankOf.get(id)!)
  for (let at = 0; at < itemAt.length; at++) itemAt[at] = ranks[itemAt[at]!]!
  const rows = rowsOfPairs(users.length, userAt, itemAt, weights)
  for (const column of [userAt, itemAt, weights]) column.buffer.transfer(0)
  return { matrix: { users: users.length, items: itemIds.length, ...rows }, itemIds, userIds: users }
}

/** Pairs as rows, in shared memory: items ascend in a row, weights of one pair are added, pairs that cancel out left out. */
export function rowsOfPairs(
  users: number,
  userAt: Int32Array,
  itemAt: Int32Array,
  weights: Float32Array,
): Pick<InteractionMatrix, 'rowPointers' | 'itemIndices' | 'strengths'> {
  const { length } = userAt
  const rowPointers = new Int32Array(users + 1)
  for (const user of userAt) rowPointers[user + 1]!++
  for (let user = 0; user < users; user++) rowPointers[user + 1]! += rowPointers[user]!
  const next = rowPointers.slice()
  const items = new Int32Array(new SharedArrayBuffer(length * 4))
  const strengths = new Float32Array(new SharedArrayBuffer(length * 4))
  for (let at = 0; at < length; at++) {
    const place = next[userAt[at]!]!++
    items[place] = itemAt[at]!
    strengths[place] = weights[at]!
  }
  const size = mergeRows(rowPointers, items, strengths)
  return { rowPointers, itemIndices: items.subarray(0, size), strengths: strengths.subarray(0, size) }
}

/** Sorts each row by item, adds up what is of one item and closes the gaps, in place. Returns how many pairs are left. */
function mergeRows(pointers: Int32Array, items: Int32Array, strengths: Float32Array): number {
  let longest = 0
  for (let user = 0; user + 1 < pointers.length; user++) {
    longest = Math.max(longest, pointers[user + 1]! - pointers[user]!)
  }
  // Item and place in the row as one number: sorting is stable, and exact below 2^53.
  const keys = new Float64Array(longest)
  const values = new Float32Array(longest)
  let size = 0
  let start = 0
  for (let user = 0; user + 1 < pointers.length; user++) {
    const length = pointers[user + 1]! - start
    for (let place = 0; place < length; place++) {
      keys[place] = items[start + place]! * longest + place
      values[place] = strengths[start + place]!
    }
    keys.subarray(0, length).sort()
    for (let place = 0; place < length; ) {
      const item = Math.floor(keys[place]! / longest)
      let strength = 0
      for (; place < length && keys[place]! < (item + 1) * longest; place++) strength += values[keys[place]! % longest]!
      if (Math.fround(strength) === 0) continue
      items[size] = item
      strengths[size++] = strength
    }
    start += length
    pointers[user + 1] = size
  }
  return size
}
