import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gramOf } from '../../engine/als/loss.ts'
import type { Contestant } from '../../engine/evaluation/contestant.ts'
import { createComparison, meanOf, score, summarize } from '../../engine/evaluation/evaluate.ts'
import { buildHoldout } from '../../engine/evaluation/holdout.ts'
import type { Comparison } from '../../engine/evaluation/measure.ts'
import { nearestItems } from '../../engine/evaluation/nearest-items.ts'
import type { PairTable } from '../../engine/evaluation/pair-table.ts'
import { measureInParallel } from '../../engine/evaluation/parallel.ts'
import { REPORTED } from '../../engine/evaluation/plan.ts'
import { createRandom } from '../../engine/evaluation/random.ts'
import { type MetricName, metricsAt } from '../../engine/evaluation/ranking-metrics.ts'
import { defaultRecipe } from '../../engine/learn/recipes.ts'
import { average, type PlainWorld, plainCatalogue, plainMetrics, relevantItems } from '../support/plain-evaluation.ts'

type Rows = readonly (readonly (readonly [item: number, strength: number])[])[]

const ITEMS = 12
const USERS = 9
const row = fc
  .uniqueArray(fc.tuple(fc.nat(ITEMS - 1), fc.constantFrom(-2, 0, 0.5, 1, 3)), {
    selector: ([item]) => item,
    maxLength: 8,
  })
  .map((pairs) => pairs.sort(([left], [right]) => left - right))
const rows = fc.array(row, { minLength: USERS, maxLength: USERS })
const shown = fc.array(fc.shuffledSubarray([...Array(ITEMS).keys()]), { minLength: USERS, maxLength: USERS })

describe('evaluation', () => {
  test('agrees with a second implementation from the definitions: every metric at any cut-off, coverage to diversity', async () => {
    let compared = 0
    await fc.assert(
      fc.asyncProperty(rows, rows, shown, fc.integer({ min: 1, max: 15 }), async (past, future, orders, k) => {
        const known = new Set(past.flatMap((pairs) => pairs.map(([item]) => item)))
        const lists = orders.map((order) => order.filter((item) => known.has(item)))
        const comparison = comparisonOf(past, future, ITEMS)
        const contestant = listsOf(lists, 15)
        const plan = { metrics: metricsAt(k), catalogueAt: k }
        const measured = await measureInParallel(contestant, comparison, { plan, threads: 1 })
        const own = score(measured, comparison).scores
        const expected = plainScores(past, future, lists, k)
        for (const name of metricsAt(k)) {
          expect(own.metrics[name]?.value, name).toBeCloseTo(
            average(expected.metrics.map((user) => user[name] ?? Number.NaN)),
            12,
          )
          expect(meanOf(measured, name, comparison)).toBe(own.metrics[name]?.value)
        }
        if (expected.metrics.length === 0) return
        compared++
        for (const [name, value] of Object.entries(expected.catalogue)) {
          expect(own.catalogue[name], name).toBeCloseTo(value, 10)
        }
      }),
      { numRuns: 200 },
    )
    expect(compared).toBeGreaterThan(50)
  })

  test('is the same to the last bit on 1, 2 and 5 threads, for every kind of recommender', async () => {
    const { comparison, contestants } = await crowd(400, 60)
    for (const contestant of contestants) {
      const on = (threads: number) => measureInParallel(contestant, comparison, { plan: REPORTED, threads })
      const expected = await on(1)
      expect(new Set(expected.lists).size).toBeGreaterThan(20)
      for (const threads of [2, 5]) {
        const measured = await on(threads)
        expect(measured).toEqual(expected)
        expect(summarize(measured, comparison)).toEqual(summarize(expected, comparison))
      }
    }
  })

  test('ends with ABORTED when it is stopped, before and while it runs', async () => {
    const { comparison, contestants } = await crowd(400, 60)
    const run = (signal: AbortSignal) =>
      measureInParallel(contestants[0] as Contestant, comparison, { plan: REPORTED, threads: 2, signal })
    await expect(run(AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
    const stop = new AbortController()
    const running = run(stop.signal)
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test.each(['ndcg_at_0', 'ndcg_at_1.5', 'auc_at_10', 'ndcg', 'toString_at_3'])(
    'there is no metric %s',
    async (name) => {
      const { comparison, contestants } = await crowd(4, 30)
      const plan = { metrics: [name as MetricName], catalogueAt: null }
      const measured = measureInParallel(contestants[0] as Contestant, comparison, { plan, threads: 1 })
      await expect(measured).rejects.toMatchObject({ code: 'INVALID_PARAMETERS' })
    },
  )
})

function comparisonOf(past: Rows, future: Rows, items: number): Comparison {
  const table = tableOf(past, items)
  return createComparison(table, buildHoldout(table, tableOf(future, items)), 1)
}

function tableOf(rowsOfUsers: Rows, items: number): PairTable {
  const pointers = [0]
  for (const pairs of rowsOfUsers) pointers.push((pointers.at(-1) ?? 0) + pairs.length)
  return {
    ...{ users: rowsOfUsers.length, items, events: pointers.at(-1) ?? 0 },
    pointers: Int32Array.from(pointers),
    itemRanks: Int32Array.from(rowsOfUsers.flatMap((pairs) => pairs.map(([item]) => item))),
    strengths: Float64Array.from(rowsOfUsers.flatMap((pairs) => pairs.map(([, strength]) => strength))),
  }
}

function listsOf(lists: readonly (readonly number[])[], length: number): Contestant {
  const flat = lists.flatMap((list) => [...list, ...Array<number>(length - list.length).fill(-1)])
  return { kind: 'lists', lists: Int32Array.from(flat), length, fallback: new Int32Array(0) }
}

/** The lists without what a user has, and users without a past or without anything relevant left out. */
function plainScores(past: Rows, future: Rows, lists: readonly (readonly number[])[], k: number) {
  const plain = (rowsOfUsers: Rows) =>
    new Map(rowsOfUsers.map((pairs, user) => [`u${user}`, new Map(pairs.map(([item, value]) => [`i${item}`, value]))]))
  const world: PlainWorld = { past: plain(past), future: plain(future) }
  const users = lists
    .map((list, user) => ({
      relevant: relevantItems(world, `u${user}`),
      list: list.map((item) => `i${item}`).filter((item) => !world.past.get(`u${user}`)?.has(item)),
      met: world.past.get(`u${user}`)?.size ?? 0,
    }))
    .filter(({ relevant, met }) => relevant.size > 0 && met > 0)
  return {
    metrics: users.map(({ list, relevant }) => plainMetrics(list, relevant, k)),
    catalogue: plainCatalogue(
      users.map(({ list }) => list),
      world,
      k,
    ),
  }
}

/** Users of seeded random tastes, and one recommender of every kind; the model's vectors are random. */
async function crowd(
  users: number,
  items: number,
): Promise<{ comparison: Comparison; contestants: readonly Contestant[] }> {
  const random = createRandom(11)
  const someRows = (most: number): Rows =>
    Array.from({ length: users }, () => {
      const picked = new Set(
        Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() ** 2 * items)),
      )
      return [...picked].sort((left, right) => left - right).map((item) => [item, 0.1 + random()] as const)
    })
  const comparison = comparisonOf(someRows(12), someRows(12), items)
  const { past } = comparison
  const itemIds = Array.from({ length: items }, (_, item) => `i${String(item).padStart(3, '0')}`)
  const recipe = defaultRecipe({ factors: 8 }, 90, {
    users,
    items,
    pairs: past.itemRanks.length,
    meanStrength: 1,
    strengthSpread: 1,
  })
  const itemFactors = Float32Array.from({ length: items * 8 }, () => random() - 0.5)
  const model = { recipe, itemIds, itemFactors, gram: gramOf(itemFactors, 8), users, interactions: 1, dataUntil: 0 }
  const fallback = Int32Array.from(itemIds.keys())
  return {
    comparison,
    contestants: [
      { kind: 'model', model, histories: past, itemIds, fallback },
      { kind: 'item-knn', nearest: await nearestItems(past, 10, { threads: 1 }), neighbours: 7, fallback },
      { kind: 'popularity', order: fallback },
    ],
  }
}
