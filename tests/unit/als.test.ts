import { expect, test } from 'vitest'
import { createFoldIn } from '../../engine/als/fold-in.ts'
import { alsLoss, gramOf } from '../../engine/als/loss.ts'
import { checkShape } from '../../engine/als/matrix.ts'
import type { AlsProgress, InteractionMatrix } from '../../engine/als/port.ts'
import { trainAls } from '../../engine/als/train.ts'
import { weightsOf } from '../../engine/als/weights.ts'
import type { Recipe } from '../../schemas/training.ts'
import { matrixOf, RECIPE, randomMatrix, relativeDistance, rowsOf, usersByTwin } from './als-fixtures.ts'

const MATRIX = randomMatrix(300, 120, 0.15, 1)

test.each([
  { preset: 'ials', solver: 'cg', factors: 16 },
  { preset: 'ials', solver: 'cholesky', factors: 8 },
  { preset: 'hkv', solver: 'cg', factors: 40 },
  { preset: 'implicit', solver: 'cholesky', factors: 33 },
  { preset: 'implicit', solver: 'cg', factors: 64 },
] as const)('$preset by $solver with $factors factors ends with the exact users of its items', async (variant) => {
  const recipe: Recipe = { ...RECIPE, ...variant }
  const matrix = variant.preset === 'implicit' ? positive(MATRIX) : MATRIX
  const trained = await trainAls(matrix, { recipe, threads: 1 })
  const expected = usersByTwin(matrix, trained, weightsOf(recipe), recipe.factors)
  expect(relativeDistance(rowsOf(trained.userFactors, recipe.factors), expected)).toBeLessThan(1e-4)
  expect(trained.userFactors.every(Number.isFinite)).toBe(true)
})

test('the same seed gives the same bits with 1, 2 and 8 threads, another seed others', async () => {
  const matrix = randomMatrix(700, 230, 0.05, 2)
  const train = (threads: number, seed: number) => trainAls(matrix, { recipe: { ...RECIPE, seed }, threads })
  const [one, two, eight, other] = await Promise.all([train(1, 5), train(2, 5), train(8, 5), train(2, 6)])
  for (const again of [two, eight]) {
    expect(Buffer.compare(bytes(again.itemFactors), bytes(one.itemFactors))).toBe(0)
    expect(Buffer.compare(bytes(again.userFactors), bytes(one.userFactors))).toBe(0)
  }
  expect(Buffer.compare(bytes(other.itemFactors), bytes(one.itemFactors))).not.toBe(0)
})

test('a trained user is the same user folded in', async () => {
  for (const nu of [0, 0.5, 1]) {
    const recipe: Recipe = { ...RECIPE, nu, factors: 24 }
    const { users, items, rowPointers } = MATRIX
    const trained = await trainAls(MATRIX, { recipe, threads: 2 })
    const gram = gramOf(trained.itemFactors, 24)
    const foldIn = createFoldIn({ recipe, rows: items, factors: trained.itemFactors, gram })
    const folded = Array.from({ length: users }, (_, user) => {
      const [start, end] = [rowPointers[user]!, rowPointers[user + 1]!]
      return [
        ...foldIn.solve(MATRIX.itemIndices.slice(start, end), Float64Array.from(MATRIX.strengths.slice(start, end))),
      ]
    })
    expect(relativeDistance(folded, rowsOf(trained.userFactors, 24))).toBeLessThan(1e-4)
  }
})

test('each solver lowers the loss in every iteration, as float64 sees it', async () => {
  for (const solver of ['cg', 'cholesky'] as const) {
    const recipe: Recipe = { ...RECIPE, solver, iterations: 6 }
    const progress: AlsProgress[] = []
    const options = { recipe, threads: 2, reportLoss: true, onProgress: (step: AlsProgress) => progress.push(step) }
    const trained = await trainAls(MATRIX, options)
    expect(progress.map(({ iteration, side }) => `${iteration} ${side}`)).toEqual(
      [1, 2, 3, 4, 5, 6].flatMap((iteration) => [`${iteration} users`, `${iteration} items`]),
    )
    const losses = progress.flatMap(({ loss }) => (loss === null ? [] : [loss])).concat(trained.loss ?? Number.NaN)
    expect(losses).toHaveLength(7)
    for (let at = 1; at < losses.length; at++) expect(losses[at]).toBeLessThan(losses[at - 1]! * (1 + 1e-6))
    const exact = alsLoss(MATRIX, { ...trained, factors: recipe.factors }, weightsOf(recipe))
    expect(Math.abs((trained.loss ?? Number.NaN) / exact - 1)).toBeLessThan(1e-5)
  }
})

test('conjugate gradients reach the loss of the exact solver', async () => {
  const loss = async (solver: 'cg' | 'cholesky') =>
    (await trainAls(MATRIX, { recipe: { ...RECIPE, solver, iterations: 15 }, threads: 1, reportLoss: true })).loss
  expect((await loss('cg'))! / (await loss('cholesky'))!).toBeLessThan(1.01)
})

test('short rows, solved by the smaller system, end where gradients end', async () => {
  const matrix = randomMatrix(400, 300, 0.08, 4)
  const loss = async (solver: 'cg' | 'cholesky', factors: number) => {
    const recipe: Recipe = { ...RECIPE, factors, solver, iterations: 10 }
    return (await trainAls(matrix, { recipe, threads: 2, reportLoss: true })).loss
  }
  for (const factors of [20, 96]) {
    const ratio = (await loss('cholesky', factors))! / (await loss('cg', factors))!
    expect(Math.abs(ratio - 1)).toBeLessThan(5e-3)
  }
})

test('two groups that share nothing are told apart', async () => {
  const rows = Array.from({ length: 40 }, (_, user) =>
    Array.from({ length: 6 }, (_, item) => [item + (user % 2) * 6, 1] as const).filter(
      ([item]) => item % 6 !== user % 5,
    ),
  )
  const { userFactors, itemFactors } = await trainAls(matrixOf(rows, 12), {
    recipe: { ...RECIPE, factors: 8 },
    threads: 1,
  })
  const [users, items] = [rowsOf(userFactors, 8), rowsOf(itemFactors, 8)]
  const scores = items.map((item) => item.reduce((sum, value, at) => sum + value * users[0]![at]!, 0))
  expect(Math.min(...scores.slice(0, 6))).toBeGreaterThan(0.2)
  expect(Math.max(...scores.slice(6).map(Math.abs))).toBeLessThan(0.05)
})

test('users and items without interactions, and users who only dislike, have zero vectors', async () => {
  const matrix = matrixOf(
    [
      [
        [0, 1],
        [2, 2],
      ],
      [],
      [
        [0, -3],
        [2, -1],
      ],
      [[2, 1]],
    ],
    4,
  )
  for (const solver of ['cg', 'cholesky'] as const) {
    const { userFactors, itemFactors } = await trainAls(matrix, {
      recipe: { ...RECIPE, factors: 8, solver },
      threads: 2,
    })
    expect(rowsOf(userFactors, 8).map(isZero)).toEqual([false, true, true, false])
    expect(rowsOf(itemFactors, 8).map(isZero)).toEqual([false, true, false, true])
  }
})

test('without regularisation and with fewer items than factors every number is finite', async () => {
  const matrix = matrixOf(
    [
      [
        [0, 1],
        [1, 2],
      ],
      [[1, 1]],
    ],
    2,
  )
  for (const solver of ['cg', 'cholesky'] as const) {
    const recipe: Recipe = { ...RECIPE, factors: 32, solver, regularization: 0 }
    const { userFactors, itemFactors } = await trainAls(matrix, { recipe, threads: 1 })
    expect([...userFactors, ...itemFactors].every(Number.isFinite)).toBe(true)
  }
})

test.each<[string, Partial<InteractionMatrix>, string]>([
  ['no users', { users: 0, rowPointers: new Int32Array(1) }, 'empty'],
  [
    'no interactions',
    { itemIndices: new Int32Array(0), strengths: new Float32Array(0), rowPointers: new Int32Array(3) },
    'empty',
  ],
  ['more users than indexes of 31 bits can name', { users: 2 ** 32 }, 'users must be a count of 31 bits'],
  ['more items than indexes of 31 bits can name', { items: 2 ** 32 + 3 }, 'items must be a count of 31 bits'],
  ['NaN', { strengths: Float32Array.of(1, Number.NaN, 1) }, 'user 0 and item 1 is NaN'],
  ['infinity', { strengths: Float32Array.of(1, 1, Number.POSITIVE_INFINITY) }, 'Infinity'],
  ['zero', { strengths: Float32Array.of(0, 1, 1) }, 'not zero'],
  ['an item out of range', { itemIndices: Int32Array.of(0, 3, 1) }, 'item 3, of 3 items'],
  ['a negative item', { itemIndices: Int32Array.of(0, 1, -1) }, 'item -1'],
  ['a repeated item', { itemIndices: Int32Array.of(1, 1, 1) }, 'ascend without repeats'],
  ['pointers that go back', { rowPointers: Int32Array.of(0, 4, 3) }, 'run from 0 to 4'],
  ['too few pointers', { rowPointers: Int32Array.of(0, 3) }, 'users + 1 = 3'],
  ['pointers that stop early', { rowPointers: Int32Array.of(0, 1, 2) }, 'run from 0 to 3'],
  ['too few strengths', { strengths: Float32Array.of(1) }, '1 strengths for 3'],
])('%s is refused as an invalid matrix', async (_, change, message) => {
  const matrix = {
    ...matrixOf(
      [
        [
          [0, 1],
          [1, 1],
        ],
        [[1, 1]],
      ],
      3,
    ),
    ...change,
  }
  const failure = trainAls(matrix, { recipe: RECIPE, threads: 2 })
  await expect(failure).rejects.toMatchObject({ code: 'INVALID_MATRIX', message: expect.stringContaining(message) })
})

test('impossible hyper-parameters are refused by name', async () => {
  for (const [field, value] of [
    ['factors', 7],
    ['factors', 513],
    ['alpha', 0],
    ['alpha0', Number.NaN],
    ['nu', -1],
    ['seed', 0.5],
  ] as const) {
    const failure = trainAls(MATRIX, { recipe: { ...RECIPE, [field]: value }, threads: 1 })
    await expect(failure).rejects.toMatchObject({ code: 'INVALID_PARAMETERS', field })
  }
})

test('strengths whose weights float32 cannot hold are refused, never answered with NaN', async () => {
  const matrix = matrixOf(
    [
      [
        [0, 3e38],
        [1, 1],
      ],
      [[1, 2]],
    ],
    2,
  )
  for (const solver of ['cg', 'cholesky'] as const) {
    const failure = trainAls(matrix, { recipe: { ...RECIPE, factors: 8, solver, alpha: 100 }, threads: 2 })
    await expect(failure).rejects.toMatchObject({
      code: 'INVALID_MATRIX',
      message: expect.stringContaining('too large'),
    })
  }
})

test('a training beyond 4 GiB is refused before it allocates', async () => {
  const users = 3_000_000
  const rowPointers = new Int32Array(users + 1).fill(1, 1)
  const matrix = { users, items: 1, rowPointers, itemIndices: Int32Array.of(0), strengths: Float32Array.of(1) }
  checkShape(matrix)
  const failure = trainAls(matrix, { recipe: { ...RECIPE, factors: 512 }, threads: 1 })
  await expect(failure).rejects.toMatchObject({ code: 'TOO_LARGE_FOR_MEMORY' })
})

test('an abort ends training at once, and the event loop is never held for long', async () => {
  const controller = new AbortController()
  const matrix = randomMatrix(2_000, 400, 0.1, 3)
  // The time that this thread works counts: on a busy machine each turn also waits for a processor.
  const worked = () => Object.values(process.threadCpuUsage()).reduce((sum, micros) => sum + micros / 1_000, 0)
  let [longest, busiest] = [0, 0]
  let [last, before] = [performance.now(), worked()]
  const watch = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    busiest = Math.max(busiest, worked() - before)
    ;[last, before] = [performance.now(), worked()]
  }, 1)
  const recipe: Recipe = { ...RECIPE, factors: 64, iterations: 100_000 }
  let abortedAt = 0
  const onProgress = ({ iteration }: AlsProgress): void => {
    if (iteration !== 3 || controller.signal.aborted) return
    abortedAt = performance.now()
    controller.abort(new Error('enough'))
  }
  const failure = trainAls(matrix, { recipe, threads: 2, signal: controller.signal, onProgress })
  await expect(failure).rejects.toMatchObject({ code: 'ABORTED' })
  clearInterval(watch)
  expect(abortedAt).toBeGreaterThan(0)
  expect(performance.now() - abortedAt).toBeLessThan(1_000)
  expect(busiest).toBeLessThan(100)
  expect(longest).toBeLessThan(1_000)
})

test('given item factors are where training starts', async () => {
  const first = await trainAls(MATRIX, { recipe: { ...RECIPE, iterations: 12 }, threads: 1, reportLoss: true })
  const options = { recipe: { ...RECIPE, iterations: 1 }, threads: 1, reportLoss: true }
  const cold = await trainAls(MATRIX, options)
  const warm = await trainAls(MATRIX, { ...options, initialItemFactors: first.itemFactors })
  expect(warm.loss).toBeLessThan(cold.loss! * 0.9)
  expect(warm.loss).toBeLessThan(first.loss! * 1.001)
})

test('fold-in refuses an index out of range and a strength that is no number', () => {
  const foldIn = createFoldIn({
    recipe: { ...RECIPE, factors: 8 },
    rows: 2,
    factors: new Float32Array(16).fill(1),
    gram: new Float64Array(64).fill(2),
  })
  for (const [index, strength] of [
    [2, 1],
    [-1, 1],
    [0, Number.NaN],
    [0, 0],
    [0, 1e300],
  ] as const) {
    expect(() => foldIn.solve(Int32Array.of(index), Float64Array.of(strength))).toThrow(/observation 0/)
  }
  expect([...foldIn.solve(new Int32Array(0), new Float64Array(0))]).toEqual(new Array(8).fill(0))
})

function positive(matrix: InteractionMatrix): InteractionMatrix {
  return { ...matrix, strengths: matrix.strengths.map(Math.abs) }
}

function bytes(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
}

function isZero(row: readonly number[]): boolean {
  return row.every((value) => value === 0)
}
