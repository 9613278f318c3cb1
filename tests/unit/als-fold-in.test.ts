import { expect, test } from 'vitest'
import { createFoldIn } from '../../engine/als/fold-in.ts'
import { gramOf } from '../../engine/als/loss.ts'
import { uniformAt } from '../../engine/als/random.ts'
import { trainAls } from '../../engine/als/train.ts'
import { linearWeight, quadraticWeight, regularizationOf, weightsOf } from '../../engine/als/weights.ts'
import { gramTwin, solveTwin } from '../../engine/kernels/twins/als-twin.ts'
import { RECIPE, randomMatrix, relativeDistance, rowsOf } from './als-fixtures.ts'

test('one item of unit length, liked once, gives the answer known by hand', () => {
  const factors = new Float32Array(16)
  factors[0] = 1
  const recipe = { ...RECIPE, factors: 8, alpha: 2, alpha0: 0.5, regularization: 0.25, nu: 0 }
  const foldIn = createFoldIn({ recipe, rows: 2, factors, gram: gramOf(factors, 8) })
  // (0.5 + 2 x 3 + 0.25) x = 2 x 3
  const [liked, ...others] = foldIn.solve(Int32Array.of(0), Float64Array.of(3))
  expect(liked).toBeCloseTo(6 / 6.75, 6)
  expect(others).toEqual(new Array(7).fill(0))
})

test.each([8, 20, 64, 100, 256])('fold-in at %d factors is the twin in float64', (factors) => {
  const rows = 90
  const flat = Float32Array.from({ length: rows * factors }, (_, at) => uniformAt(3, at) - 0.4)
  const recipe = { ...RECIPE, factors }
  const weights = weightsOf(recipe)
  const foldIn = createFoldIn({ recipe, rows, factors: flat, gram: gramOf(flat, factors) })
  const other = rowsOf(flat, factors)
  const weighted = gramTwin(other, factors).map((row) => row.map((value) => value * weights.gramWeight))
  for (const count of [1, 31, 80]) {
    const strengths = Float64Array.from({ length: count }, (_, at) => Math.fround(uniformAt(4, at) * 4 - 0.5))
    const observations = Array.from(strengths, (strength, row) => ({
      row,
      quadratic: quadraticWeight(weights, strength),
      linear: linearWeight(weights, strength),
    }))
    const expected = solveTwin(other, weighted, observations, regularizationOf(weights, count, rows))
    const actual = [
      ...foldIn.solve(
        Int32Array.from({ length: count }, (_, at) => at),
        strengths,
      ),
    ]
    expect(relativeDistance([actual], [expected])).toBeLessThan(1e-6)
  }
})

test('an item folded in against the users is where its exact solution is', async () => {
  const matrix = randomMatrix(200, 60, 0.2, 5)
  const recipe = { ...RECIPE, factors: 8 }
  const { userFactors } = await trainAls(matrix, { recipe, threads: 1 })
  const foldIn = createFoldIn({ recipe, rows: 200, factors: userFactors, gram: gramOf(userFactors, 8) })
  const fans = Int32Array.of(3, 50, 199)
  const weights = weightsOf(recipe)
  const weighted = gramTwin(rowsOf(userFactors, 8), 8).map((row) => row.map((value) => value * weights.gramWeight))
  const observations = Array.from(fans, (row) => ({ row, quadratic: recipe.alpha, linear: recipe.alpha }))
  const expected = solveTwin(rowsOf(userFactors, 8), weighted, observations, regularizationOf(weights, 3, 200))
  expect(relativeDistance([[...foldIn.solve(fans, Float64Array.of(1, 1, 1))]], [expected])).toBeLessThan(1e-6)
})

test('fold-in does not depend on the order of the observations, beyond rounding', () => {
  const factors = Float32Array.from({ length: 40 * 16 }, (_, at) => uniformAt(9, at) - 0.5)
  const foldIn = createFoldIn({ recipe: RECIPE, rows: 40, factors, gram: gramOf(factors, 16) })
  const items = Int32Array.from({ length: 40 }, (_, at) => at)
  const strengths = Float64Array.from(items, (item) => (item % 5) - 2.5)
  const forward = [...foldIn.solve(items, strengths)]
  const backward = [...foldIn.solve(items.slice().reverse(), strengths.slice().reverse())]
  expect(relativeDistance([forward], [backward])).toBeLessThan(1e-6)
})

test('without regularisation a fold-in of fewer items than factors is finite', () => {
  const factors = Float32Array.from({ length: 3 * 64 }, (_, at) => uniformAt(11, at) - 0.5)
  const recipe = { ...RECIPE, factors: 64, regularization: 0 }
  const foldIn = createFoldIn({ recipe, rows: 3, factors, gram: gramOf(factors, 64) })
  const solved = foldIn.solve(Int32Array.of(0, 2), Float64Array.of(1, 2))
  expect(solved.every(Number.isFinite)).toBe(true)
})
