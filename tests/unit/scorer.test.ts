import { expect, test } from 'vitest'
import { contributionsTwin } from '../../engine/kernels/twins/contributions.ts'
import type { Model } from '../../engine/model/model.ts'
import { categoryCentroids } from '../../engine/scoring/centroids.ts'
import { createScorer } from '../../engine/scoring/scorer.ts'
import type { Recipe } from '../../schemas/training.ts'

const width = 8
const recipe: Recipe = {
  preset: 'ials',
  factors: width,
  iterations: 1,
  alpha: 10,
  alpha0: 0.1,
  regularization: 0.01,
  nu: 1,
  halfLifeDays: 90,
  solver: 'cholesky',
  seed: 1,
}

/** Items "i00", "i01", ... whose factors are given sparsely as dimension: value. */
function modelOf(rows: readonly Readonly<Record<number, number>>[], changes: Partial<Recipe> = {}): Model {
  const itemFactors = new Float32Array(rows.length * width)
  for (const [item, row] of rows.entries())
    for (const [dimension, value] of Object.entries(row)) itemFactors[item * width + Number(dimension)] = value
  const gram = new Float64Array(width * width)
  for (let item = 0; item < rows.length; item++)
    for (let r = 0; r < width; r++)
      for (let c = 0; c < width; c++)
        gram[r * width + c]! += itemFactors[item * width + r]! * itemFactors[item * width + c]!
  const itemIds = rows.map((_, item) => `i${String(item).padStart(2, '0')}`)
  return { recipe: { ...recipe, ...changes }, itemIds, itemFactors, gram, users: 1, interactions: 1, dataUntil: 0 }
}

function vectorOf(row: Readonly<Record<number, number>>): Float32Array {
  const vector = new Float32Array(width)
  for (const [dimension, value] of Object.entries(row)) vector[Number(dimension)] = value
  return vector
}

function observe(...pairs: readonly (readonly [number, number])[]) {
  return {
    items: Int32Array.from(pairs, ([item]) => item),
    strengths: Float64Array.from(pairs, ([, strength]) => strength),
  }
}

test('the fold-in of one item on one axis is the solution worked out by hand', () => {
  const scorer = createScorer(modelOf([{ 0: 2 }, { 1: 1 }]))
  // (alpha0 y^2 + alpha s y^2 + lambda (1 + alpha0 |I|)) x = alpha s y
  const expected = (10 * 3 * 2) / (0.1 * 4 + 10 * 3 * 4 + 0.01 * (1 + 0.1 * 2))
  const x = scorer.foldIn(observe([0, 3]))
  expect(x[0]).toBeCloseTo(expected, 6)
  expect(Array.from(x.subarray(1))).toEqual([0, 0, 0, 0, 0, 0, 0])
})

test('observations in another order give the same vector, dislikes alone and nothing at all give zero', () => {
  const scorer = createScorer(
    modelOf([
      { 0: 1, 1: 2 },
      { 1: 1, 3: -1 },
      { 2: 1, 0: 0.5 },
    ]),
  )
  const one = scorer.foldIn(observe([0, 1], [1, 2], [2, -3]))
  const other = scorer.foldIn(observe([2, -3], [1, 2], [0, 1]))
  for (const [d, value] of one.entries()) expect(other[d]).toBeCloseTo(value, 6)
  expect(Array.from(scorer.foldIn(observe([0, -1], [2, -2])))).toEqual(new Array(width).fill(0))
  expect(Array.from(scorer.foldIn(observe()))).toEqual(new Array(width).fill(0))
})

test.each(['ials', 'hkv', 'implicit'] as const)('contributions sum to the score (%s)', (preset) => {
  const rows = Array.from({ length: 20 }, (_, i) =>
    Object.fromEntries(Array.from({ length: width }, (_, d) => [d, Math.sin(i * 7.1 + d * d)])),
  )
  const scorer = createScorer(modelOf(rows, { preset }))
  const observations = observe([3, 1], [7, 2.5], [11, -1], [0, 0.3], [5, 0])
  const vector = scorer.foldIn(observations)
  for (let item = 0; item < 20; item++) {
    const [score] = scorer.scores(vector, Int32Array.of(item))
    const parts = scorer.contributions(observations, item)
    const scale = parts.reduce((sum, part) => sum + Math.abs(part), 0)
    expect(Math.abs(parts.reduce((sum, part) => sum + part, 0) - score!)).toBeLessThan(1e-3 * scale + 1e-9)
    const twin = contributionsTwin(
      scorer.model,
      observations,
      scorer.model.itemFactors.subarray(item * width, (item + 1) * width),
    )
    for (const [j, part] of parts.entries()) expect(Math.abs(part - twin[j]!)).toBeLessThan(1e-6 * scale + 1e-12)
    expect([parts[2], parts[4]]).toEqual([0, 0])
  }
})

test('explanations of several users are independent, long histories included', () => {
  const rows = Array.from({ length: 200 }, (_, i) => ({ [i % width]: 1 + (i % 7), [(i * 3) % width]: -0.5 }))
  const scorer = createScorer(modelOf(rows))
  const long = observe(...Array.from({ length: 150 }, (_, i) => [i, 1 + (i % 3)] as const))
  const ofLong = scorer.explain(long)
  const ofShort = scorer.explain(observe([199, 2]))
  const vector = scorer.model.itemFactors.subarray(40 * width, 41 * width)
  expect(ofShort(40).length).toBe(1)
  const expected = contributionsTwin(scorer.model, long, vector)
  for (const [j, part] of ofLong(40).entries()) expect(part).toBeCloseTo(expected[j]!, 9)
})

test('supplement items are recommended beside those of the model, ties by item id', () => {
  const scorer = createScorer(modelOf([{ 0: 1 }, { 0: 3 }, { 0: 2 }]))
  scorer.setSupplement(
    ['z', 'i005', 'a'],
    Float32Array.of(...vectorOf({ 0: 3 }), ...vectorOf({ 0: 3 }), ...vectorOf({ 0: 2 })),
  )
  const named = (query: Partial<Parameters<typeof scorer.top>[0]>) =>
    Array.from(scorer.top({ vector: vectorOf({ 0: 1 }), k: 10, ...query }).items, (item) => scorer.itemIds[item])
  expect(named({})).toEqual(['i005', 'i01', 'z', 'a', 'i02', 'i00'])
  expect(named({ k: 2 })).toEqual(['i005', 'i01'])
  expect(named({ exclude: Int32Array.of(1, scorer.indexOf('z')!) })).toEqual(['i005', 'a', 'i02', 'i00'])
  expect(named({ allow: Uint8Array.of(1, 0, 0, 1, 0, 0) })).toEqual(['a', 'i00'])
  const z = scorer.indexOf('z')!
  expect(Array.from(scorer.scores(vectorOf({ 0: 2 }), Int32Array.of(z, 0, 1, z)))).toEqual([6, 2, 6, 6])
  scorer.setSupplement(['b'], vectorOf({ 0: 9 }))
  expect(named({ k: 1 })).toEqual(['b'])
  expect(scorer.indexOf('z')).toBeUndefined()
  scorer.setSupplement([], new Float32Array(0))
  expect(named({})).toEqual(['i01', 'i02', 'i00'])
})

test('similar items are ranked by cosine, without the item itself, the supplement included', () => {
  const scorer = createScorer(modelOf([{ 0: 1 }, { 0: 3, 1: 4 }, { 1: 9 }, { 0: 0.1, 1: 0.01 }, {}]))
  const similarTo = (item: number, k = 10) => {
    const { items, scores } = scorer.similar(item, { k })
    return Array.from(items, (other, rank) => [scorer.itemIds[other], Number(scores[rank]!.toFixed(4))])
  }
  expect(similarTo(0)).toEqual([
    ['i03', 0.995],
    ['i01', 0.6],
    ['i02', 0],
    ['i04', 0],
  ])
  scorer.setSupplement(['new'], vectorOf({ 0: 7 }))
  expect(similarTo(0, 2)).toEqual([
    ['new', 1],
    ['i03', 0.995],
  ])
  expect(similarTo(5, 1)).toEqual([['i00', 1]])
  expect(similarTo(4, 2)).toEqual([
    ['i00', 0],
    ['i01', 0],
  ])
})

test('queries that make no sense are refused by name', () => {
  const scorer = createScorer(modelOf([{ 0: 1 }, { 0: 3 }]))
  const vector = new Float32Array(width)
  const refused = (action: () => unknown) =>
    expect(action).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETERS' }))
  for (const k of [0, -1, 1.5, 1_001, Number.NaN]) refused(() => scorer.top({ vector, k }))
  refused(() => scorer.top({ vector: new Float32Array(7), k: 1 }))
  refused(() => scorer.top({ vector: new Float32Array(width).fill(Number.NaN), k: 1 }))
  refused(() => scorer.top({ vector, k: 1, exclude: Int32Array.of(2) }))
  refused(() => scorer.top({ vector, k: 1, allow: new Uint8Array(3) }))
  refused(() => scorer.similar(2, { k: 1 }))
  refused(() => scorer.scores(vector, Int32Array.of(-1)))
  refused(() => scorer.foldIn(observe([2, 1])))
  refused(() => scorer.foldIn(observe([0, Number.NaN])))
  refused(() => scorer.setSupplement(['i00'], new Float32Array(width)))
  refused(() => scorer.setSupplement(['x', 'x'], new Float32Array(2 * width)))
  refused(() => scorer.setSupplement(['x'], new Float32Array(width).fill(Infinity)))
})

test('an unseen item is placed at the mean of its categories, and nowhere without a known one', () => {
  const categories: Record<string, string[]> = { i00: ['drama'], i01: ['drama', 'comedy', 'drama'], i02: [] }
  const centroids = categoryCentroids(modelOf([{ 0: 1 }, { 0: 3 }, { 0: 100 }]), (itemId) => categories[itemId] ?? [])
  expect(centroids.vectorOf(['drama'])?.[0]).toBe(2)
  expect(centroids.vectorOf(['comedy'])?.[0]).toBe(3)
  expect(centroids.vectorOf(['drama', 'comedy', 'unknown'])?.[0]).toBe(2.5)
  expect(centroids.vectorOf(['unknown'])).toBeNull()
  expect(centroids.vectorOf([])).toBeNull()
})
