import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkRows, transpose } from '../../engine/als/matrix.ts'
import type { InteractionMatrix } from '../../engine/als/port.ts'
import { trainAls } from '../../engine/als/train.ts'
import { weightsOf } from '../../engine/als/weights.ts'
import { matrixOf, RECIPE, relativeDistance, rowsOf, usersByTwin } from '../unit/als-fixtures.ts'

const ITEMS = 12

const matrices: fc.Arbitrary<InteractionMatrix> = fc
  .array(
    fc.uniqueArray(
      fc.tuple(
        fc.nat(ITEMS - 1),
        fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: -20, max: -1 })).map((tenths) => tenths / 10),
      ),
      { selector: ([item]) => item, maxLength: ITEMS },
    ),
    { minLength: 1, maxLength: 40 },
  )
  .filter((rows) => rows.some((row) => row.length > 0))
  .map((rows) =>
    matrixOf(
      rows.map((row) => row.toSorted(([left], [right]) => left - right)),
      ITEMS,
    ),
  )

test('whatever the matrix and the recipe, a trained user is the exact solution, and threads change no bit', async () => {
  const recipes = fc.record({
    preset: fc.constantFrom('ials' as const, 'hkv' as const),
    factors: fc.constantFrom(8, 12, 16, 33),
    iterations: fc.integer({ min: 1, max: 3 }),
    alpha: fc.constantFrom(0.5, 5, 40),
    alpha0: fc.constantFrom(0.05, 1),
    regularization: fc.constantFrom(0.01, 1),
    nu: fc.constantFrom(0, 0.5, 1),
    solver: fc.constantFrom('cg' as const, 'cholesky' as const),
    seed: fc.nat(0xffffffff),
  })
  const property = fc.asyncProperty(matrices, recipes, async (matrix, changes) => {
    const recipe = { ...RECIPE, ...changes }
    const [one, three] = await Promise.all([1, 3].map((threads) => trainAls(matrix, { recipe, threads })))
    expect(three!.itemFactors).toEqual(one!.itemFactors)
    expect(three!.userFactors).toEqual(one!.userFactors)
    const expected = usersByTwin(matrix, one!, weightsOf(recipe), recipe.factors)
    expect(relativeDistance(rowsOf(one!.userFactors, recipe.factors), expected)).toBeLessThan(1e-3)
  })
  await fc.assert(property, { numRuns: 8 })
})

test('transposing twice gives the matrix back', () => {
  fc.assert(
    fc.property(matrices, (matrix) => {
      const turned = emptyLike(matrix, matrix.items, matrix.users)
      transpose(matrix, turned)
      checkRows(turned, 0, turned.users)
      const back = emptyLike(matrix, matrix.users, matrix.items)
      transpose(turned, back)
      expect(back).toEqual(matrix)
    }),
  )
})

function emptyLike(matrix: InteractionMatrix, users: number, items: number): InteractionMatrix {
  const count = matrix.itemIndices.length
  const rowPointers = new Int32Array(users + 1)
  return { users, items, rowPointers, itemIndices: new Int32Array(count), strengths: new Float32Array(count) }
}
