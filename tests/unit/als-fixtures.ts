import type { AlsFactors, InteractionMatrix } from '../../engine/als/port.ts'
import { uniformAt } from '../../engine/als/random.ts'
import { linearWeight, quadraticWeight, regularizationOf, type Weights } from '../../engine/als/weights.ts'
import { halfStepTwin, type TwinObservation } from '../../engine/kernels/twins/als-twin.ts'
import type { Recipe } from '../../schemas/training.ts'

export const RECIPE: Recipe = {
  preset: 'ials',
  factors: 16,
  iterations: 4,
  alpha: 4,
  alpha0: 0.3,
  regularization: 0.05,
  nu: 1,
  halfLifeDays: 90,
  solver: 'cg',
  seed: 7,
}

/** Rows of [item, strength] pairs as a matrix. */
export function matrixOf(rows: readonly (readonly (readonly [number, number])[])[], items: number): InteractionMatrix {
  const flat = rows.flat()
  const rowPointers = new Int32Array(rows.length + 1)
  for (const [user, row] of rows.entries()) rowPointers[user + 1] = rowPointers[user]! + row.length
  return {
    users: rows.length,
    items,
    rowPointers,
    itemIndices: Int32Array.from(flat, ([item]) => item),
    strengths: Float32Array.from(flat, ([, strength]) => strength),
  }
}

/** A seeded matrix in which every user has `density` of the items, some of them disliked. */
export function randomMatrix(users: number, items: number, density: number, seed: number): InteractionMatrix {
  const rows = Array.from({ length: users }, (_, user) =>
    Array.from({ length: items }, (_, item) => item)
      .filter((item) => uniformAt(seed, user * items + item) < density)
      .map((item) => {
        const draw = uniformAt(seed + 1, user * items + item)
        return [item, draw < 0.1 ? -1 - draw : 0.2 + 3 * draw] as const
      }),
  )
  return matrixOf(rows, items)
}

export function rowsOf(flat: Float32Array, factors: number): number[][] {
  return Array.from({ length: flat.length / factors }, (_, row) => [
    ...flat.subarray(row * factors, (row + 1) * factors),
  ])
}

/** Every user solved exactly against the items, in float64 by the twin. */
export function usersByTwin(
  matrix: InteractionMatrix,
  factors: AlsFactors,
  weights: Weights,
  width: number,
): number[][] {
  const observations = Array.from({ length: matrix.users }, (_, user): TwinObservation[] => {
    const range = { start: matrix.rowPointers[user]!, end: matrix.rowPointers[user + 1]! }
    return Array.from({ length: range.end - range.start }, (_, at) => {
      const strength = matrix.strengths[range.start + at]!
      const row = matrix.itemIndices[range.start + at]!
      return { row, quadratic: quadraticWeight(weights, strength), linear: linearWeight(weights, strength) }
    })
  })
  const regularization = (count: number): number => regularizationOf(weights, count, matrix.items)
  return halfStepTwin(rowsOf(factors.itemFactors, width), observations, weights.gramWeight, regularization, width)
}

/** The greatest distance between two vectors of a row, over the greatest norm of a row. */
export function relativeDistance(
  actual: readonly (readonly number[])[],
  expected: readonly (readonly number[])[],
): number {
  const norm = (row: readonly number[]): number => Math.hypot(...row)
  const scale = Math.max(...expected.map(norm), 1e-30)
  const distances = actual.map((row, at) => norm(row.map((value, i) => value - expected[at]![i]!)))
  return Math.max(...distances) / scale
}
