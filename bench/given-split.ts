import { createComparison } from '../engine/evaluation/evaluate.ts'
import { buildHoldout, type Holdout } from '../engine/evaluation/holdout.ts'
import type { Comparison } from '../engine/evaluation/measure.ts'
import { type PairTable, sharedCopy } from '../engine/evaluation/pair-table.ts'
import { MillraceError } from '../schemas/errors.ts'
import type { Pairs } from './interaction-file.ts'
import { type NamedMatrix, rowsOfPairs } from './interaction-matrix.ts'

/** A training file and a test file as one past and one future. */
export interface GivenSplit {
  readonly holdout: Holdout
  /** Rows and items of both files: users of training in order, then those that only the test file has; items likewise. */
  readonly users: number
  /** Ids by rank: those of training in order, then items that only the test file has (no list can hold them). */
  readonly itemIds: readonly string[]
}

/** A split with what measuring needs beside it; it takes twice the memory of the training matrix. */
export interface ComparedSplit extends GivenSplit {
  readonly comparison: Comparison
  /** Ranks by the number of users who have them: what users are shown of whom nothing is known. */
  readonly popular: Int32Array
}

/** Throws INVALID_INPUT_FILE when no user has a test item that training does not give away: nothing could be measured. */
export function givenSplit(train: NamedMatrix, test: Pairs): GivenSplit {
  const rankOf = placesOf(train.itemIds)
  const rowOf = placesOf(train.userIds)
  const itemAt = test.items.map((id) => added(rankOf, id))
  const userAt = test.users.map((id) => added(rowOf, id))
  const future = tableOfPairs(test, userAt, itemAt, rowOf.size, rankOf.size)
  const holdout = buildHoldout(pairsOf(train, rowOf.size, rankOf.size), future)
  if (holdout.users.length === 0) {
    throw new MillraceError(
      'INVALID_INPUT_FILE',
      `none of the ${test.userAt.length} test pairs has a positive weight and is absent from training, so that nothing could be measured; nothing was trained`,
    )
  }
  return { holdout, users: rowOf.size, itemIds: [...rankOf.keys()] }
}

export function comparedSplit(train: NamedMatrix, split: GivenSplit, seed: number): ComparedSplit {
  const { strengths: narrow } = train.matrix
  const strengths = new Float64Array(new SharedArrayBuffer(narrow.length * 8))
  strengths.set(narrow)
  const past = { ...pairsOf(train, split.users, split.itemIds.length), strengths }
  return { ...split, comparison: createComparison(past, split.holdout, seed), popular: popularItems(train) }
}

function placesOf(ids: readonly string[]): Map<string, number> {
  return new Map(ids.map((id, place) => [id, place]))
}

function added(places: Map<string, number>, id: string): number {
  const known = places.get(id)
  if (known !== undefined) return known
  places.set(id, places.size)
  return places.size - 1
}

/** The pairs of the matrix, which are shared, not copied; users that training does not know have none. */
function pairsOf({ matrix }: NamedMatrix, users: number, items: number): Omit<PairTable, 'strengths'> {
  const pointers = new Int32Array(users + 1).fill(matrix.itemIndices.length)
  pointers.set(matrix.rowPointers)
  return {
    users,
    items,
    events: matrix.itemIndices.length,
    pointers: sharedCopy(pointers),
    itemRanks: matrix.itemIndices,
  }
}

function tableOfPairs(
  pairs: Pairs,
  userAt: readonly number[],
  itemAt: readonly number[],
  users: number,
  items: number,
): PairTable {
  const [rows, ranks] = [
    Int32Array.from(pairs.userAt, (place) => userAt[place]!),
    Int32Array.from(pairs.itemAt, (place) => itemAt[place]!),
  ]
  const { rowPointers, itemIndices, strengths } = rowsOfPairs(users, rows, ranks, pairs.weights)
  return {
    ...{ users, items, events: pairs.userAt.length, pointers: rowPointers, itemRanks: itemIndices },
    strengths: Float64Array.from(strengths),
  }
}

function popularItems({ matrix }: NamedMatrix): Int32Array {
  const counts = new Int32Array(matrix.items)
  for (const item of matrix.itemIndices) counts[item]!++
  return Int32Array.from(counts.keys()).sort((left, right) => counts[right]! - counts[left]! || left - right)
}
