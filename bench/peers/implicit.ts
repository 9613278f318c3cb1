import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contestant } from '../../engine/evaluation/contestant.ts'
import { createRandom } from '../../engine/evaluation/random.ts'
import type { Contest } from '../../engine/learn/contest.ts'
import { toMatrix } from '../../engine/learn/pairs.ts'
import { runJson } from './environment.ts'

/** What PyPI implicit's AlternatingLeastSquares is given. */
export interface ImplicitRecipe {
  readonly factors: number
  readonly regularization: number
  readonly alpha: number
  readonly iterations: number
  readonly seed: number
}

/**
 * implicit's own defaults first, then seeded random ones around where it is known to be good: alpha so that an observation
 * of mean strength gets a confidence of 0.3 to 30, both scales evenly in the logarithm.
 */
export function implicitRecipes(trials: number, meanStrength: number, seed: number): readonly ImplicitRecipe[] {
  const random = createRandom(seed)
  const between = (low: number, high: number) => Number((low * (high / low) ** random()).toPrecision(4))
  const oneOf = (choices: readonly number[]) => choices[Math.floor(random() * choices.length)]!
  const recipes: ImplicitRecipe[] = [{ factors: 100, regularization: 0.01, alpha: 1, iterations: 15, seed: 42 }]
  while (recipes.length < trials) {
    recipes.push({
      factors: oneOf([32, 64, 128, 256]),
      regularization: between(0.1, 100),
      alpha: Number((between(0.3, 30) / meanStrength).toPrecision(4)),
      iterations: oneOf([10, 15, 30]),
      seed: 42,
    })
  }
  return recipes
}

/** Fits every recipe to exactly the pairs our own fits of this past get; what it shows every user, as a contestant. */
export function implicitContestants(
  contest: Contest,
  halfLifeDays: number,
  recipes: readonly ImplicitRecipe[],
  options: { readonly python: string; readonly folder: string; readonly length: number },
): { readonly contestants: readonly Contestant[]; readonly versions: Readonly<Record<string, unknown>> } {
  const past = contest.past(halfLifeDays)
  const { matrix, userOfRow, rankOfColumn } = toMatrix(past)
  const { folder, length } = options
  mkdirSync(folder, { recursive: true })
  const arrays = {
    'pointers.i32': matrix.rowPointers,
    'items.i32': matrix.itemIndices,
    'strengths.f32': matrix.strengths,
  }
  for (const [name, array] of Object.entries(arrays)) {
    writeFileSync(join(folder, name), new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
  }
  const script = join(import.meta.dirname, 'implicit_lists.py')
  const versions = runJson<Record<string, unknown>>(options.python, [
    ...[script, folder, JSON.stringify(recipes), '1', String(length)],
  ])
  const contestants = recipes.map((_, number): Contestant => {
    const rows = new Int32Array(Uint8Array.from(readFileSync(join(folder, `lists-${number}.i32`))).buffer)
    const lists = new Int32Array(past.users * length).fill(-1)
    for (const [row, user] of userOfRow.entries()) {
      const own = rows.subarray(row * length, (row + 1) * length)
      lists.set(
        own.map((column) => (column < 0 ? -1 : rankOfColumn[column]!)),
        user * length,
      )
    }
    return { kind: 'lists', lists, length, fallback: contest.popularity }
  })
  return { contestants, versions }
}
