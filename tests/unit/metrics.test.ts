import { describe, expect, test } from 'vitest'
import { bootstrapMeans, pairedDifference } from '../../engine/evaluation/bootstrap.ts'
import {
  coverage,
  createItemCosine,
  diversity,
  gini,
  novelty,
  transposePairs,
} from '../../engine/evaluation/catalogue-metrics.ts'
import { createComparison, evaluate } from '../../engine/evaluation/evaluate.ts'
import { buildHoldout } from '../../engine/evaluation/holdout.ts'
import { hitRanks } from '../../engine/evaluation/measure.ts'
import type { PairTable } from '../../engine/evaluation/pair-table.ts'
import { createRandom } from '../../engine/evaluation/random.ts'
import { averagePrecision, hitRate, ndcg, recall, reciprocalRank } from '../../engine/evaluation/ranking-metrics.ts'

/** Rows of [item, strength] per user. */
function pairs(items: number, rows: readonly (readonly (readonly [number, number])[])[]): PairTable {
  const pointers = [0]
  for (const row of rows) pointers.push((pointers.at(-1) ?? 0) + row.length)
  return {
    ...{ users: rows.length, items, events: pointers.at(-1) ?? 0 },
    pointers: Int32Array.from(pointers),
    itemRanks: Int32Array.from(rows.flatMap((row) => row.map(([item]) => item))),
    strengths: Float64Array.from(rows.flatMap((row) => row.map(([, strength]) => strength))),
  }
}

describe('one list, by hand: relevant items at places 1, 3 and 5 of 5, four relevant in all', () => {
  const ranks = hitRanks(Int32Array.of(7, 1, 8, 2, 9), Int32Array.of(7, 8, 9, 100))

  test('places are found from 0', () => expect(ranks).toEqual([0, 2, 4]))
  test('recall keeps the missing item in the denominator', () => {
    expect(recall(ranks, 4, 5)).toBe(3 / 4)
    expect(recall(ranks, 4, 2)).toBe(1 / 4)
  })
  test('NDCG divides by the best list of that length', () => {
    const gain = 1 + 1 / 2 + 1 / Math.log2(6)
    const ideal = 1 + 1 / Math.log2(3) + 1 / 2 + 1 / Math.log2(5)
    expect(ndcg(ranks, 4, 5)).toBeCloseTo(gain / ideal, 12)
    expect(ndcg(ranks, 4, 2)).toBeCloseTo(1 / (1 + 1 / Math.log2(3)), 12)
    expect(ndcg([0, 1], 2, 10)).toBe(1)
  })
  test('average precision divides by the hits a perfect list would have', () => {
    expect(averagePrecision(ranks, 4, 5)).toBeCloseTo((1 + 2 / 3 + 3 / 5) / 4, 12)
    expect(averagePrecision(ranks, 4, 2)).toBeCloseTo(1 / 2, 12)
  })
  test('reciprocal rank and hit rate look at the first hit within k', () => {
    expect(reciprocalRank([3], 20)).toBe(1 / 4)
    expect(reciprocalRank([3], 3)).toBe(0)
    expect([hitRate([3], 4), hitRate([3], 3), hitRate([], 20)]).toEqual([1, 0, 0])
  })
})

describe('the catalogue, by hand', () => {
  const lists = [Int32Array.of(0, 1), Int32Array.of(0, 2), Int32Array.of(0, 1)]

  test('coverage is the share of the catalogue shown', () => expect(coverage(lists, 6)).toBe(0.5))
  test('Gini of counts 0, 0, 1, 2, 3 over five items', () => {
    // 2 * (3*1 + 4*2 + 5*3) / (5 * 6) - 6 / 5
    expect(gini(lists, 5, 10)).toBeCloseTo((2 * 26) / 30 - 6 / 5, 12)
    expect(gini([Int32Array.of(0), Int32Array.of(1)], 2, 2)).toBeCloseTo(0, 12)
  })
  test('novelty is the mean of -log2 of the share of users who have an item', () => {
    const past = pairs(2, [
      [[0, 1]],
      [
        [0, 1],
        [1, 1],
      ],
      [[0, 1]],
      [[0, 1]],
      [],
    ])
    expect(novelty([Int32Array.of(0, 1)], past)).toBeCloseTo((0 + 2) / 2, 12)
  })
  test('diversity is 1 minus the mean cosine within a list', () => {
    const past = pairs(3, [
      [
        [0, 1],
        [1, 1],
      ],
      [[0, 1]],
      [[2, 4]],
    ])
    const cosine = createItemCosine(transposePairs(past))
    expect(cosine(0, 1)).toBeCloseTo(1 / Math.SQRT2, 12)
    expect(diversity([Int32Array.of(0, 1, 2)], cosine)).toBeCloseTo(1 - 1 / Math.SQRT2 / 3, 12)
    const forgetful = createItemCosine(transposePairs(past), 1)
    for (const [left, right] of [
      [0, 1],
      [1, 2],
      [1, 0],
      [0, 1],
      [2, 2],
    ] as const)
      expect(forgetful(left, right)).toBe(cosine(left, right))
  })
})

describe('bootstrap', () => {
  const random = createRandom(5)
  const values = Float64Array.from({ length: 400 }, () => random())

  test('the same seed gives the same interval, another seed another', () => {
    expect(bootstrapMeans([values], 1)).toEqual(bootstrapMeans([values], 1))
    expect(bootstrapMeans([values], 1)).not.toEqual(bootstrapMeans([values], 2))
  })
  test('the interval is about 1.96 standard errors to both sides', () => {
    const [estimate] = bootstrapMeans([values], 3)
    const average = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length
    const half = 1.96 * Math.sqrt(variance / values.length)
    expect(estimate?.value).toBeCloseTo(average, 12)
    expect(estimate?.low).toBeCloseTo(average - half, 2)
    expect(estimate?.high).toBeCloseTo(average + half, 2)
  })
  test('a constant difference has no width', () => {
    const better = values.map((value) => value + 0.25)
    const { value, low, high } = pairedDifference(better, values, 1)
    for (const number of [value, low, high]) expect(number).toBeCloseTo(0.25, 12)
  })
})

describe('a whole evaluation, by hand', () => {
  // Items 0..4; item 4 is unknown to the past. User 3 has no past, user 2 only repeats.
  const past = pairs(5, [
    [[0, 1]],
    [
      [1, 1],
      [2, 1],
    ],
    [[3, 1]],
    [],
  ])
  const future = pairs(5, [
    [
      [0, 1],
      [1, 1],
      [4, 1],
    ],
    [
      [0, -5],
      [3, 1],
    ],
    [[3, 1]],
    [[0, 1]],
  ])
  const holdout = buildHoldout(past, future)

  test('relevant are new items liked; repeats, dislikes, unknown items and new users are counted', () => {
    expect([...holdout.users]).toEqual([0, 1, 3])
    expect([...holdout.itemRanks]).toEqual([1, 4, 3, 0])
    expect(holdout).toMatchObject({
      usersTotal: 4,
      usersWithoutPast: 1,
      repeatsExcluded: 2,
      unknownItems: 1,
      events: 7,
    })
  })
  test('headline metrics are over users with a past, new users are a slice of their own', () => {
    const lists: Record<number, number[]> = { 0: [1, 2, 3], 1: [0, 3], 3: [0, 1] }
    const { scores, slices } = evaluate(
      (user) => Int32Array.from(lists[user] ?? []),
      createComparison(past, holdout, 1),
    )
    expect(scores.metrics.recall_at_20?.value).toBeCloseTo((1 / 2 + 1) / 2, 12)
    expect(scores.metrics.mrr_at_20?.value).toBeCloseTo((1 + 1 / 2) / 2, 12)
    expect(scores.metrics.hit_rate_at_20?.value).toBe(1)
    expect(scores.catalogue.coverage_at_20).toBe(4 / 4)
    expect(slices.map(({ slice, users }) => [slice, users])).toEqual([
      ['0', 1],
      ['1-4', 2],
      ['5-19', 0],
      ['20+', 0],
    ])
    expect(slices[0]).toMatchObject({ ndcg_at_10: 1, recall_at_20: 1 })
  })
})
