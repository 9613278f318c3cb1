import type { Recipe } from '../../schemas/training.ts'
import { evaluatedUsers } from '../evaluation/evaluate.ts'
import type { Model } from '../model/model.ts'
import { type Contest, type ContestSource, createContest } from './contest.ts'
import { fitModel } from './fit.ts'
import type { LearnProgress, LearnRequest } from './port.ts'
import { candidateRecipes, defaultRecipe } from './recipes.ts'
import { type SearchResult, successiveHalving } from './search.ts'
import { HOLDOUT_SHARE, splitByTime } from './split.ts'

/** Fewer users on the validation slice than this decide by chance: the default recipe is taken instead. */
const VALIDATION_USERS_MIN = 20

export interface SelectOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: LearnProgress) => void
}

/**
 * Chooses the recipe inside the past: the last tenth of the past is the validation slice, candidates are fitted before
 * it and scored on it. The future has no influence. One trial, or too little data to validate on, takes the default.
 */
export async function selectRecipe(
  source: ContestSource,
  contest: Contest,
  request: LearnRequest,
  options: SelectOptions,
): Promise<SearchResult> {
  const { parameters, trials, champion } = request
  const { halfLifeDays } = source.rules
  const base = defaultRecipe(parameters, halfLifeDays, meanStrength(contest.past(halfLifeDays).strengths))
  const candidates = candidateRecipes(base, parameters, champion?.model.recipe ?? null, trials)
  const split = splitByTime(source.columns, contest.split.past, HOLDOUT_SHARE)
  if (candidates.length < 2 || split === null) return { best: base, trials: [] }
  const validation = createContest(source, split)
  if (evaluatedUsers(validation.comparison) < VALIDATION_USERS_MIN) return { best: base, trials: [] }
  return await searchOn(validation, source, candidates, request.threads, options)
}

async function searchOn(
  validation: Contest,
  source: ContestSource,
  candidates: readonly Recipe[],
  threads: number,
  options: SelectOptions,
): Promise<SearchResult> {
  let fits = 0
  return await successiveHalving<Model>(candidates, async (recipe, previous, iterationsDone) => {
    const number = ++fits
    const { model } = await fitModel(
      validation.past(recipe.halfLifeDays),
      source.order.itemIds,
      { ...recipe, iterations: recipe.iterations - iterationsDone },
      validation.pastUntil,
      {
        threads,
        signal: options.signal,
        ...(previous && { continueFrom: previous }),
        onProgress: ({ iteration, iterations }) =>
          options.onProgress({
            progress: Math.min(1, (number - 1 + iteration / iterations) / (candidates.length * 1.5)),
            message: `trial ${Math.min(number, candidates.length)} of ${candidates.length}: iteration ${iterationsDone + iteration} of ${recipe.iterations}`,
          }),
      },
    )
    return { fitted: model, ndcg: validation.ndcgOf(model) }
  })
}

/** Mean absolute strength of the pairs that are not 0; 1 where there are none. */
function meanStrength(strengths: Float64Array): number {
  let sum = 0
  let counted = 0
  for (const strength of strengths) {
    if (strength === 0) continue
    sum += Math.abs(strength)
    counted++
  }
  return sum > 0 ? sum / counted : 1
}
