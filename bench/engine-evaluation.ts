import { ndcg, recall } from '../engine/evaluation/ranking-metrics.ts'
import type { Scorer } from '../engine/scoring/port.ts'
import type { Pairs } from './interaction-file.ts'
import type { NamedMatrix } from './interaction-matrix.ts'

export interface HeldOut {
  readonly users: number
  readonly recall: number
  readonly ndcg: number
  /** Microseconds of every fold-in and every top-k, in the order of the users. */
  readonly foldInMicroseconds: readonly number[]
  readonly recommendMicroseconds: readonly number[]
}

/**
 * Means over the users with at least one test item that is not among their training items. All items of the training
 * file compete but the user's own; test items that training has not seen count as missed. A user that training has
 * not seen, or whose vector is zero, is shown the most popular items.
 */
export function evaluateHeldOut(scorer: Scorer, train: NamedMatrix, test: Pairs, k: number): HeldOut {
  const { matrix } = train
  const rowOf = new Map(train.userIds.map((id, row) => [id, row]))
  const popular = popularItems(train)
  const foldInMicroseconds: number[] = []
  const recommendMicroseconds: number[] = []
  let recalls = 0
  let ndcgs = 0
  let users = 0
  for (const [user, wanted] of wantedItems(scorer, test)) {
    const row = rowOf.get(user)
    const [start, end] = row === undefined ? [0, 0] : [matrix.rowPointers[row]!, matrix.rowPointers[row + 1]!]
    const seen = matrix.itemIndices.slice(start, end)
    const relevant = withoutSeen(wanted, seen)
    if (relevant.length === 0) continue
    const startedAt = performance.now()
    const vector = scorer.foldIn({ items: seen, strengths: Float64Array.from(matrix.strengths.subarray(start, end)) })
    const foldedAt = performance.now()
    const blank = vector.every((value) => value === 0)
    const list = blank ? firstOf(popular, seen, k) : scorer.top({ vector, k, exclude: seen }).items
    if (!blank) {
      foldInMicroseconds.push((foldedAt - startedAt) * 1_000)
      recommendMicroseconds.push((performance.now() - foldedAt) * 1_000)
    }
    const ranks = placesOf(list, relevant)
    recalls += recall(ranks, relevant.length, k)
    ndcgs += ndcg(ranks, relevant.length, k)
    users++
  }
  return { users, recall: recalls / users, ndcg: ndcgs / users, foldInMicroseconds, recommendMicroseconds }
}

/** Distinct test items by user; items that training has not seen get indexes that no list can hold. */
function wantedItems(scorer: Scorer, test: Pairs): Map<string, Set<number>> {
  const indexes = test.items.map((id, at) => scorer.indexOf(id) ?? -1 - at)
  const wanted = new Map<string, Set<number>>()
  const sets = test.users.map((id) => {
    const set = new Set<number>()
    wanted.set(id, set)
    return set
  })
  for (let at = 0; at < test.userAt.length; at++) {
    if (test.weights[at]! > 0) sets[test.userAt[at]!]!.add(indexes[test.itemAt[at]!]!)
  }
  return wanted
}

/** Places of relevant items in the list, ascending from 0. */
function placesOf(list: Int32Array, relevant: Int32Array): number[] {
  const wanted = new Set(relevant)
  return [...list.keys()].filter((place) => wanted.has(list[place]!))
}

function withoutSeen(wanted: ReadonlySet<number>, seen: Int32Array): Int32Array {
  const known = new Set(seen)
  return Int32Array.from(wanted).filter((item) => !known.has(item))
}

function popularItems({ matrix }: NamedMatrix): Int32Array {
  const counts = new Int32Array(matrix.items)
  for (const item of matrix.itemIndices) counts[item]!++
  return Int32Array.from(counts.keys()).sort((left, right) => counts[right]! - counts[left]! || left - right)
}

function firstOf(order: Int32Array, seen: Int32Array, k: number): Int32Array {
  const known = new Set(seen)
  return order
    .subarray(0, k + seen.length)
    .filter((item) => !known.has(item))
    .subarray(0, k)
}
