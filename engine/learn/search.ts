import { MillraceError } from '../../schemas/errors.ts'
import type { Recipe } from '../../schemas/training.ts'

/** Share of the trials that a rung keeps: 1 / ETA (Jamieson & Talwalkar 2016). */
const ETA = 3

/** One recipe's score on the validation slice after so many iterations (`recipe.iterations`); higher is better. */
export interface Trial {
  readonly recipe: Recipe
  readonly score: number
}

/**
 * How far a search is, as plain JSON: every measurement in order. `key` names the candidates and the data they are
 * measured on; a state with another key says nothing about this search.
 */
export interface SearchState {
  readonly version: 1
  readonly key: string
  readonly trials: readonly Trial[]
}

export interface SearchSteps<Fitted> {
  /**
   * Fits a recipe up to `recipe.iterations`, continuing from what it returned for `iterationsDone` of them (null and 0 at
   * first). Must give the same for the same arguments.
   */
  fit(recipe: Recipe, previous: Fitted | null, iterationsDone: number): Promise<Fitted>
  score(fitted: Fitted): Promise<number>
}

export interface SearchOptions {
  readonly key: string
  /** Of an interrupted search with the same key: what it measured is not measured again. */
  readonly resumeFrom?: SearchState | null
  /** Called after every measurement with all there are: saved and passed in again, the search goes on from there. */
  readonly onState?: (state: SearchState) => void
}

export interface SearchResult {
  /** With its full number of iterations. */
  readonly best: Recipe
  /** Every measurement in order, also those of recipes that were dropped. */
  readonly trials: readonly Trial[]
}

interface Entry<Fitted> {
  readonly recipe: Recipe
  /** Iterations after which it was measured so far, ascending. */
  readonly measuredAt: readonly number[]
  /** null where the fit was dropped, or made before an interruption: it is made again when it must continue. */
  readonly fitted: Fitted | null
  readonly score: number
}

/**
 * Successive halving over candidate recipes: all start with a fraction of the iterations, each rung keeps the best third
 * and lets them continue, until one is left or the iterations are spent. Ties go to the earlier candidate. Deterministic:
 * no randomness beyond the recipes' own, and a search that was interrupted and resumed ends with the same result and the
 * same trials as one that was not. Holds the fits of a third of the candidates at most. One candidate is returned
 * unmeasured. Throws INVALID_PARAMETERS for a state that is not of this search.
 */
export async function successiveHalving<Fitted>(
  candidates: readonly Recipe[],
  steps: SearchSteps<Fitted>,
  { key, resumeFrom = null, onState }: SearchOptions,
): Promise<SearchResult> {
  const recorded = recordedTrials(resumeFrom, key)
  const trials: Trial[] = []
  const measure = async (entry: Entry<Fitted>, iterations: number): Promise<Entry<Fitted>> => {
    const recipe = { ...entry.recipe, iterations }
    const known = recorded[trials.length]
    if (known !== undefined && !sameRecipe(known.recipe, recipe)) throw foreign('its trials are of other recipes')
    const fitted = known ? null : await fitOn(entry, iterations, steps)
    const score = known?.score ?? (fitted === null ? 0 : await steps.score(fitted))
    trials.push({ recipe, score })
    if (!known) onState?.({ version: 1, key, trials: [...trials] })
    return { ...entry, measuredAt: [...entry.measuredAt, iterations], fitted, score }
  }
  let entries: Entry<Fitted>[] = candidates.map((recipe) => ({ recipe, measuredAt: [], fitted: null, score: 0 }))
  for (let rung = 0; entries.length > 1; rung++) {
    const kept = Math.max(1, Math.floor(entries.length / ETA))
    let measured: Entry<Fitted>[] = []
    for (const entry of entries) {
      const iterations = iterationsAt(rung, entry.recipe.iterations, candidates.length)
      measured.push(iterations === entry.measuredAt.at(-1) ? entry : await measure(entry, iterations))
      measured = withoutLostFits(measured, kept)
    }
    entries = byScore(measured).slice(0, kept)
  }
  return { best: entries[0]!.recipe, trials }
}

/** Rungs grow by ETA up to the recipe's iterations; few candidates start higher, as there are fewer rungs to climb. */
export function iterationsAt(rung: number, iterations: number, candidates: number): number {
  const rungs = Math.max(1, Math.ceil(Math.log(candidates) / Math.log(ETA) - 1e-9))
  const first = Math.max(Math.min(3, iterations), Math.ceil(iterations / ETA ** (rungs - 1)))
  return Math.min(iterations, first * ETA ** rung)
}

/** The fit after `iterations`, on top of the earlier rungs' fits, which are repeated where they are not at hand. */
async function fitOn<Fitted>(entry: Entry<Fitted>, iterations: number, steps: SearchSteps<Fitted>): Promise<Fitted> {
  let { fitted } = entry
  let done = 0
  for (const target of entry.measuredAt) {
    if (entry.fitted === null) fitted = await steps.fit({ ...entry.recipe, iterations: target }, fitted, done)
    done = target
  }
  return await steps.fit({ ...entry.recipe, iterations }, fitted, done)
}

/** Whoever is not among the best so many now will not be later: their fits are let go. The order stays. */
function withoutLostFits<Fitted>(entries: readonly Entry<Fitted>[], kept: number): Entry<Fitted>[] {
  const best = new Set(byScore(entries).slice(0, kept))
  return entries.map((entry) => (entry.fitted === null || best.has(entry) ? entry : { ...entry, fitted: null }))
}

function byScore<Fitted>(entries: readonly Entry<Fitted>[]): Entry<Fitted>[] {
  return entries.toSorted((left, right) => right.score - left.score)
}

function recordedTrials(state: SearchState | null, key: string): readonly Trial[] {
  if (state === null) return []
  if (state.version !== 1) throw foreign(`its version is ${state.version}, this program knows 1`)
  if (state.key !== key) throw foreign('candidates or data differ')
  return state.trials
}

function foreign(why: string): MillraceError {
  return new MillraceError(
    'INVALID_PARAMETERS',
    `the saved state is not of this search (${why}); nothing was trained, start without it`,
  )
}

function sameRecipe(left: Recipe, right: Recipe): boolean {
  return (Object.keys(right) as (keyof Recipe)[]).every((name) => left[name] === right[name])
}
