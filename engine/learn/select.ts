import type { Recipe } from '../../schemas/training.ts'
import { evaluatedUsers } from '../evaluation/evaluate.ts'
import type { PairTable } from '../evaluation/pair-table.ts'
import type { Model } from '../model/model.ts'
import { type Contest, type ContestSource, createContest } from './contest.ts'
import { fitModel } from './fit.ts'
import type { LearnProgress, LearnRequest } from './port.ts'
import { candidateRecipes, type DataShape, defaultRecipe } from './recipes.ts'
import { type SearchResult, type SearchState, successiveHalving } from './search.ts'
import { searchKey } from './search-key.ts'
import { HOLDOUT_SHARE, splitByTime } from './split.ts'

/** Fewer users on the validation slice than this decide by chance: the default recipe is taken instead. */
const VALIDATION_USERS_MIN = 20

export interface SelectOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: LearnProgress) => void
  readonly onSearchState?: ((state: SearchState) => void) | undefined
}

/** The last tenth of a contest's past as a future of its own; null where too few users have one. */
export function openValidation(source: ContestSource, contest: Contest): Contest | null {
  const split = splitByTime(source.columns, contest.split.past, HOLDOUT_SHARE)
  const validation = split && createContest(source, split)
  return validation && evaluatedUsers(validation.comparison) >= VALIDATION_USERS_MIN ? validation : null
}

/**
 * Chooses the recipe inside the past: candidates are fitted before the validation slice and scored on it (NDCG@10). The
 * future has no influence. One trial, or too little data to validate on, takes the default. A saved state of other candidates or another past is of no use and ignored.
 */
export async function selectRecipe(
  source: ContestSource,
  { contest, validation }: { readonly contest: Contest; readonly validation: Contest | null },
  request: LearnRequest,
  options: SelectOptions,
): Promise<SearchResult> {
  const { parameters, trials, champion } = request
  const { halfLifeDays } = source.rules
  const shape = shapeOf(contest.past(halfLifeDays))
  const base = defaultRecipe(parameters, halfLifeDays, shape)
  const candidates = candidateRecipes(base, parameters, champion?.model.recipe ?? null, trials, shape)
  if (candidates.length < 2 || validation === null) return { best: base, trials: [] }
  return await searchOn(validation, source, candidates, request, options)
}

async function searchOn(
  validation: Contest,
  source: ContestSource,
  candidates: readonly Recipe[],
  { threads, searchState = null }: LearnRequest,
  options: SelectOptions,
): Promise<SearchResult> {
  const { signal } = options
  const key = searchKey(candidates, validation)
  let fits = 0
  const fit = async (recipe: Recipe, previous: Model | null, iterationsDone: number): Promise<Model> => {
    const number = ++fits
    const { model } = await fitModel(
      validation.past(recipe.halfLifeDays),
      source.order.itemIds,
      { ...recipe, iterations: recipe.iterations - iterationsDone },
      validation.pastUntil,
      {
        threads,
        signal,
        ...(previous && { continueFrom: previous }),
        onProgress: ({ iteration, iterations }) =>
          options.onProgress({
            progress: Math.min(1, (number - 1 + iteration / iterations) / (candidates.length * 1.5)),
            message: `trial ${Math.min(number, candidates.length)} of ${candidates.length}: iteration ${iterationsDone + iteration} of ${recipe.iterations}`,
          }),
      },
    )
    return model
  }
  const score = (model: Model) => validation.ndcgOfModel(model, { threads, signal })
  return await successiveHalving<Model>(
    candidates,
    { fit, score },
    {
      key,
      resumeFrom: searchState?.key === key ? searchState : null,
      ...(options.onSearchState && { onState: options.onSearchState }),
    },
  )
}

export function shapeOf(pairs: PairTable): DataShape {
  const items = new Set<number>()
  let [users, counted, sum, squares] = [0, 0, 0, 0]
  for (let user = 0; user < pairs.users; user++) {
    const before = counted
    for (let place = pairs.pointers[user]!; place < pairs.pointers[user + 1]!; place++) {
      const strength = pairs.strengths[place]!
      if (strength === 0) continue
      items.add(pairs.itemRanks[place]!)
      sum += Math.abs(strength)
      squares += strength * strength
      counted++
    }
    if (counted > before) users++
  }
  const atLeastOne = (count: number) => Math.max(1, count)
  return {
    users: atLeastOne(users),
    items: atLeastOne(items.size),
    pairs: atLeastOne(counted),
    meanStrength: sum > 0 ? sum / counted : 1,
    strengthSpread: sum > 0 ? Math.sqrt(squares * counted) / sum : 1,
  }
}
