import { createHash } from 'node:crypto'
import type { Recipe } from '../../schemas/training.ts'
import type { PairTable } from '../evaluation/pair-table.ts'
import type { Contest } from './contest.ts'
import { iterationsAt } from './search.ts'

/**
 * Names what a search depends on: the candidates, after how many iterations they are measured, and every pair they are
 * fitted to and scored on.
 */
export function searchKey(candidates: readonly Recipe[], validation: Contest): string {
  const hash = createHash('sha256').update(JSON.stringify(candidates))
  const rungs = candidates.map(({ iterations }) =>
    [0, 1, 2].map((at) => iterationsAt(at, iterations, candidates.length)),
  )
  hash.update(JSON.stringify(rungs))
  const add = (numbers: Int32Array | Float64Array) => hash.update(numbers)
  const { holdout } = validation.comparison
  for (const halfLifeDays of new Set(candidates.map((recipe) => recipe.halfLifeDays))) {
    const past: PairTable = validation.past(halfLifeDays)
    for (const numbers of [past.pointers, past.itemRanks, past.strengths]) add(numbers)
  }
  for (const numbers of [validation.popularity, holdout.users, holdout.pointers, holdout.itemRanks]) add(numbers)
  return hash.digest('hex').slice(0, 32)
}
