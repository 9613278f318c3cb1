import { describe, expect, test } from 'vitest'
import { createRandom } from '../../engine/evaluation/random.ts'
import { learn } from '../../engine/learn/learn.ts'
import type { LearnRequest } from '../../engine/learn/port.ts'
import { candidateRecipes, defaultRecipe } from '../../engine/learn/recipes.ts'
import { type SearchState, type SearchSteps, successiveHalving } from '../../engine/learn/search.ts'
import type { Recipe } from '../../schemas/training.ts'
import { columnsOf } from '../support/columns.ts'
import { plantedEvents } from '../support/tastes.ts'

const SHAPE = { users: 100, items: 50, pairs: 900, meanStrength: 2, strengthSpread: 1 }
const CANDIDATES = candidateRecipes(defaultRecipe({}, 90, SHAPE), {}, null, 20, SHAPE)

/** A fit is the chain of calls that made it, its score a number drawn from that chain: continuing otherwise shows. */
function chainedSteps(stopAfter = Infinity) {
  let scores = 0
  const steps: SearchSteps<{ chain: string }> = {
    async fit(recipe: Recipe, previous, done) {
      return { chain: `${previous?.chain ?? ''}|${done}-${recipe.iterations}:${JSON.stringify(recipe)}` }
    },
    async score({ chain }) {
      if (++scores > stopAfter) throw new Error('interrupted')
      let seed = 7
      for (const letter of chain) seed = (Math.imul(seed, 31) + letter.charCodeAt(0)) >>> 0
      return createRandom(seed)()
    },
  }
  return { steps, scored: () => scores }
}

const asSaved = (state: SearchState): SearchState => JSON.parse(JSON.stringify(state))

describe('a search that is interrupted', () => {
  test('and resumed, wherever it was stopped, ends with the same recipe and the same trials', async () => {
    const whole = chainedSteps()
    const expected = await successiveHalving(CANDIDATES, whole.steps, { key: 'k' })
    expect(expected.trials.length).toBe(20 + 6 + 2)
    for (let stopAfter = 0; stopAfter <= expected.trials.length; stopAfter++) {
      let saved: SearchState | null = null
      const onState = (state: SearchState) => {
        saved = asSaved(state)
      }
      const first = successiveHalving(CANDIDATES, chainedSteps(stopAfter).steps, { key: 'k', onState })
      if (stopAfter < expected.trials.length) await expect(first).rejects.toThrow('interrupted')
      else await first
      const rest = chainedSteps()
      expect(await successiveHalving(CANDIDATES, rest.steps, { key: 'k', resumeFrom: saved })).toEqual(expected)
      expect(rest.scored()).toBe(expected.trials.length - stopAfter)
    }
  })

  test('is refused when the state is of other candidates, other data or another version', async () => {
    let saved: SearchState | null = null
    const { steps } = chainedSteps()
    await successiveHalving(CANDIDATES, steps, { key: 'k', onState: (state) => (saved = state) })
    const state = saved as unknown as SearchState
    const resume = (resumeFrom: SearchState, candidates = CANDIDATES) =>
      successiveHalving(candidates, chainedSteps().steps, { key: 'k', resumeFrom })
    const refusal = { code: 'INVALID_PARAMETERS', message: expect.stringContaining('not of this search') }
    await expect(resume({ ...state, key: 'other' })).rejects.toMatchObject(refusal)
    await expect(resume({ ...state, version: 2 as 1 })).rejects.toMatchObject(refusal)
    await expect(resume(state, CANDIDATES.toReversed())).rejects.toMatchObject(refusal)
  })
})

describe('learning with trials', () => {
  const events = plantedEvents({ users: 60, groups: 4, itemsPerGroup: 20, events: 3_000, seed: 4 })
  const request: LearnRequest = {
    columns: columnsOf(events),
    weights: { view: 1, click: 2, like: 5, purchase: 8 },
    ...{ valueScaledTypes: [], halfLifeDays: 90, champion: null, trials: 6, threads: 1 },
    parameters: { factors: 8, iterations: 6 },
  }
  const quietly = (change: Partial<LearnRequest>, signal: AbortSignal, onSearchState: (state: SearchState) => void) =>
    learn({ ...request, ...change }, { signal, onProgress: () => {}, onSearchState })

  test('an aborted run that is given its saved search ends like an uninterrupted one, on other threads too', async () => {
    const states: SearchState[] = []
    const whole = await quietly({}, new AbortController().signal, (state) => states.push(asSaved(state)))
    expect(states.map(({ trials }) => trials.length)).toEqual(states.map((_, index) => index + 1))
    const stop = new AbortController()
    let saved: SearchState | null = null
    const aborted = quietly({}, stop.signal, (state) => {
      saved = asSaved(state)
      if (state.trials.length === 7) stop.abort()
    })
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    let measured = 0
    const resumed = await quietly({ searchState: saved, threads: 2 }, new AbortController().signal, () => measured++)
    expect(measured).toBe(states.length - 7)
    expect(resumed.recipe).toEqual(whole.recipe)
    expect(resumed.evaluation).toEqual(whole.evaluation)
    expect(resumed.model.itemFactors).toEqual(whole.model.itemFactors)
  })

  test('a saved search of other data is not taken over', async () => {
    const states: SearchState[] = []
    await quietly({}, new AbortController().signal, (state) => states.push(state))
    let measured = 0
    const columns = columnsOf(events.slice(0, 2_500))
    await quietly({ columns, searchState: states.at(-1) ?? null }, new AbortController().signal, () => measured++)
    expect(measured).toBe(states.length)
  })
})
