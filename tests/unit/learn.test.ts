import { beforeAll, describe, expect, test } from 'vitest'
import { evaluate } from '../../engine/evaluation/evaluate.ts'
import { likesOf, recommendItemKnn } from '../../engine/evaluation/item-knn.ts'
import { nearestItems } from '../../engine/evaluation/nearest-items.ts'
import { createContest } from '../../engine/learn/contest.ts'
import { tunedItemKnn } from '../../engine/learn/item-knn-baseline.ts'
import { learn } from '../../engine/learn/learn.ts'
import { aggregatePairs, orderItems } from '../../engine/learn/pairs.ts'
import type { Champion, LearnRequest, LearnResult } from '../../engine/learn/port.ts'
import { candidateRecipes, defaultRecipe } from '../../engine/learn/recipes.ts'
import { iterationsAt, successiveHalving } from '../../engine/learn/search.ts'
import { openValidation } from '../../engine/learn/select.ts'
import { splitByTime } from '../../engine/learn/split.ts'
import { createScorer } from '../../engine/scoring/scorer.ts'
import type { Recipe } from '../../schemas/training.ts'
import { columnsOf, type PlainEvent } from '../support/columns.ts'
import { plantedEvents } from '../support/tastes.ts'

const EVENTS = plantedEvents({ users: 60, groups: 4, itemsPerGroup: 40, events: 3_000, seed: 4 })
const WEIGHTS = { view: 1, click: 2, like: 5, purchase: 8 }

function run(events: readonly PlainEvent[], change: Partial<LearnRequest> = {}, signal = new AbortController().signal) {
  const request: LearnRequest = {
    columns: columnsOf(events),
    weights: WEIGHTS,
    valueScaledTypes: [],
    halfLifeDays: 90,
    parameters: {},
    champion: null,
    trials: 1,
    threads: 1,
    ...change,
  }
  return learn(request, { signal, onProgress: () => {} })
}

function asChampion(result: LearnResult, change: Partial<Champion> = {}): Champion {
  return { version: '1', model: result.model, recordedNdcg: result.metrics.ndcg_at_10 ?? 0, ...change }
}

describe('planted tastes', () => {
  let first: LearnResult
  beforeAll(async () => {
    first = await run(EVENTS)
  })

  test('are recovered: the model beats both baselines and is accepted with reasons', () => {
    const { ndcg_at_10 = 0, popularity_ndcg_at_10 = 1, item_knn_ndcg_at_10 = 1 } = first.metrics
    expect(ndcg_at_10).toBeGreaterThan(2 * popularity_ndcg_at_10)
    expect(ndcg_at_10).toBeGreaterThan(item_knn_ndcg_at_10)
    expect(first.verdict.accepted, first.verdict.reasons.join('; ')).toBe(true)
    expect(first.verdict.reasons.length).toBeGreaterThan(3)
  })

  test('fill the list of a user folded in from three items of a group', () => {
    const scorer = createScorer(first.model)
    const items = Int32Array.from(['g2-i1', 'g2-i2', 'g2-i3'], (itemId) => scorer.indexOf(itemId) ?? -1).sort()
    const vector = scorer.foldIn({ items, strengths: Float64Array.of(1, 1, 1) })
    const top = [...scorer.top({ vector, k: 10, exclude: items }).items].map((item) => scorer.itemIds[item])
    expect(top.filter((itemId) => itemId?.startsWith('g2-')).length).toBeGreaterThanOrEqual(9)
  })

  test('the model is ordered by item id, covers every item and carries its Gram matrix', () => {
    const { itemIds, itemFactors, gram, recipe, users, dataUntil } = first.model
    expect(itemIds).toEqual([...new Set(EVENTS.map(({ item }) => item))].sort())
    expect(users).toBe(60)
    expect(dataUntil).toBe(EVENTS.at(-1)?.at)
    let square = 0
    for (let item = 0; item < itemIds.length; item++) square += (itemFactors[item * recipe.factors + 3] ?? 0) ** 2
    expect(gram[3 * recipe.factors + 3]).toBeCloseTo(square, 10)
  })

  test('the split is reported: a tenth held out, users and repeats counted, slices add up', () => {
    const { split, slices } = first.evaluation
    expect([split.trainEvents, split.holdoutEvents]).toEqual([2_700, 300])
    expect(split.at).toBe(EVENTS[2_700]?.at)
    expect(split.repeatsExcluded).toBeGreaterThan(0)
    expect(slices.reduce((sum, { users }) => sum + users, 0)).toBeLessThanOrEqual(split.holdoutUsers)
  })

  test('the same request gives the same result, whatever the number of threads', async () => {
    const again = await run(EVENTS, { threads: 2 })
    expect(again.model.itemFactors).toEqual(first.model.itemFactors)
    expect(again.evaluation).toEqual(first.evaluation)
  })

  test('the same recipe on more events succeeds its champion', async () => {
    const next = await run([...EVENTS, ...later(300)], { champion: asChampion(first) })
    expect(next.verdict.accepted, next.verdict.reasons.join('; ')).toBe(true)
    expect(next.evaluation.championRecipe).not.toBeNull()
  })

  test('a worse candidate is rejected, with the numbers that speak against it', async () => {
    const worse = await run(EVENTS, {
      parameters: { factors: 8, iterations: 1, regularization: 1_000, nu: 1 },
      champion: asChampion(first),
    })
    expect(worse.verdict.accepted).toBe(false)
    expect(worse.verdict.reasons[0]).toMatch(/ndcg_at_10 0\.\d{4} is (not above|worse than)/)
    expect(worse.verdict.reasons.join('\n')).toMatch(/worse than 0\.\d{4} of the recipe of champion 1/)
  })

  test('the artifact of the champion is compared on 1,000 newer events', async () => {
    const grown = [...EVENTS, ...later(8_000)]
    const next = await run(grown, { champion: asChampion(first) })
    expect(next.verdict.reasons.join('\n')).toMatch(/champion 1 itself on 1100 newer events/)
  })
})

function later(events: number): PlainEvent[] {
  const from = (EVENTS.at(-1)?.at ?? 0) + 60_000
  return plantedEvents({ users: 60, groups: 4, itemsPerGroup: 40, events, seed: 10, from })
}

describe('the item-kNN baseline', () => {
  test('takes the number of neighbours that does best on the validation slice, and a middle one without such a slice', async () => {
    const signal = new AbortController().signal
    const columns = columnsOf(EVENTS)
    const rules = { weights: WEIGHTS, valueScaledTypes: [], halfLifeDays: 90 }
    const source = { columns, order: orderItems(columns.items), rules, seed: 1 }
    const split = splitByTime(columns, { from: 0, to: columns.length }, 0.1)
    if (split === null) throw new Error('the events have one time')
    const contest = createContest(source, split)
    const validation = openValidation(source, contest)
    if (validation === null) throw new Error('the events have no validation slice')
    const chosen = await tunedItemKnn(contest, validation, { threads: 1, signal })
    const likes = likesOf(validation.comparison.past)
    const nearest = await nearestItems(likes, 100, { threads: 1 })
    const scores = [10, 30, 100].map((neighbours) => {
      const recommend = recommendItemKnn(nearest, neighbours, validation.comparison.past, validation.popularity)
      const { ndcg_at_10 } = evaluate(recommend, validation.comparison).scores.metrics
      return { neighbours, ndcg: ndcg_at_10?.value ?? 0 }
    })
    expect(new Set(scores.map(({ ndcg }) => ndcg)).size).toBe(3)
    const [best] = scores.toSorted((left, right) => right.ndcg - left.ndcg)
    expect(chosen.neighbours).toBe(best?.neighbours)
    expect((await tunedItemKnn(contest, null, { threads: 1, signal })).neighbours).toBe(30)
  })
})

describe('the future', () => {
  test('shuffled or replaced, changes nothing of the past and of the recipe that is chosen', async () => {
    const past = EVENTS.slice(0, 2_700)
    const replaced = EVENTS.slice(2_700).map((event, index, future) => ({
      ...event,
      item: future[future.length - 1 - index]?.item ?? event.item,
    }))
    const rules = { weights: WEIGHTS, valueScaledTypes: [], halfLifeDays: 90 }
    const strengths = (events: readonly PlainEvent[]) => {
      const columns = columnsOf(events)
      return aggregatePairs(columns, orderItems(columns.items), { from: 0, to: past.length }, rules)
    }
    expect(strengths([...past, ...replaced])).toEqual(strengths(EVENTS))
    const original = await run(EVENTS, { trials: 3 })
    const other = await run([...past, ...replaced], { trials: 3 })
    expect(other.recipe).toEqual(original.recipe)
    expect(other.evaluation.trials).toEqual(original.evaluation.trials)
    expect(other.evaluation.trials.length).toBeGreaterThan(2)
    expect(other.evaluation.candidate).not.toEqual(original.evaluation.candidate)
  })
})

describe('too little', () => {
  const one = { user: 'a', item: 'x', type: 'view', at: 1 }

  test.each([
    ['no events', [], /0 events of 0 users/],
    ['one user', [one, { ...one, item: 'y', at: 2 }], /1 users on 2 items/],
    ['one item', [one, { ...one, user: 'b', at: 2 }], /2 users on 1 items/],
    ['one moment', [one, { ...one, user: 'b', item: 'y' }], /all 2 events have the same time/],
    [
      'nothing to foresee',
      [one, { ...one, user: 'b', item: 'y', at: 2 }, { ...one, at: 3 }],
      /nothing can be measured/,
    ],
  ] as const)('%s is refused in words, before any training', async (_name, events, message) => {
    await expect(run(events)).rejects.toMatchObject({ code: 'INVALID_MATRIX', message: expect.stringMatching(message) })
  })

  test('a stop ends the run with ABORTED', async () => {
    await expect(run(EVENTS, {}, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

describe('the search', () => {
  const shape = { users: 100, items: 50, pairs: 900, meanStrength: 2, strengthSpread: 1 }
  const base = defaultRecipe({}, 90, shape)

  test('stated parameters are fixed in every candidate, the rest varies with the seed', () => {
    const stated = { regularization: 0.5, factors: 32 }
    const recipes = candidateRecipes(defaultRecipe(stated, 90, shape), stated, null, 12, shape)
    expect(recipes).toHaveLength(12)
    for (const recipe of recipes) expect(recipe).toMatchObject(stated)
    expect(new Set(recipes.map(({ alpha0 }) => alpha0)).size).toBeGreaterThan(8)
    expect(candidateRecipes(base, {}, null, 12, shape)).toEqual(candidateRecipes(base, {}, null, 12, shape))
    expect(candidateRecipes(base, { seed: 7 }, null, 1, shape)).toEqual([base])
  })

  test('alpha follows the unit of the weights', () => {
    const alpha = (meanStrength: number) => defaultRecipe({}, 90, { ...shape, meanStrength }).alpha
    expect(alpha(8)).toBeCloseTo(alpha(1) / 8, 4)
  })

  test('defaults follow the density: near what Rendle et al. 2022 tuned on MovieLens-20M, and stronger where rows are short', () => {
    const movieLens = { users: 136_677, items: 20_108, pairs: 9_990_682, meanStrength: 1, strengthSpread: 1 }
    const { alpha, alpha0, regularization, nu } = defaultRecipe({}, 90, movieLens)
    expect([alpha, nu]).toEqual([1, 1])
    expect(alpha0).toBeGreaterThan(0.05)
    expect(alpha0).toBeLessThan(0.2)
    expect(regularization).toBeGreaterThan(0.0015)
    expect(regularization).toBeLessThan(0.006)
    // A tenth of the pairs: a tenth of alpha0, so that a row's weight falls alike, and more of the noise edge.
    const thin = defaultRecipe({}, 90, { ...movieLens, pairs: 999_068 })
    expect(thin.alpha0).toBeCloseTo(alpha0 / 10, 3)
    expect(thin.regularization).toBeGreaterThan(3.5 * regularization)
  })

  test('a stated alpha0 or nu leaves the regularisation of a typical row where it was', () => {
    const ofRow = (recipe: Recipe) => {
      const weight = (n: number, others: number) => (n + recipe.alpha0 * others) ** recipe.nu
      return recipe.regularization * Math.sqrt(weight(900 / 100, 50) * weight(900 / 50, 100))
    }
    for (const stated of [{ alpha0: 0.03 }, { nu: 0 }, { nu: 0.5, alpha0: 0.9 }])
      expect(ofRow(defaultRecipe(stated, 90, shape)) / ofRow(base)).toBeCloseTo(1, 2)
  })

  test('halving keeps the best third, lets them go on from where they were, and records every measurement', async () => {
    const recipes = candidateRecipes(base, {}, null, 9, shape)
    const wanted = recipes[4]
    const { best, trials } = await successiveHalving<{ iterations: number; score: number }>(
      recipes,
      {
        async fit(recipe, previous, done) {
          expect(previous?.iterations ?? 0).toBe(done)
          return { iterations: recipe.iterations, score: recipe.alpha0 === wanted?.alpha0 ? 1 : 0 }
        },
        score: async ({ score }) => score,
      },
      { key: 'k' },
    )
    expect(best).toEqual(wanted)
    expect(trials.map(({ recipe }) => recipe.iterations)).toEqual([...Array(9).fill(5), ...Array(3).fill(15)])
    expect(iterationsAt(0, 2, 81)).toBe(2)
  })
})
