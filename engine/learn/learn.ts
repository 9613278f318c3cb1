import { MillraceError } from '../../schemas/errors.ts'
import type { Recipe } from '../../schemas/training.ts'
import type { AlsProgress } from '../als/port.ts'
import { type Evaluation, evaluatedUsers } from '../evaluation/evaluate.ts'
import { judge } from '../gate/gate.ts'
import { championEvidence } from './champion.ts'
import { type Contest, type ContestSource, createContest, type Hands } from './contest.ts'
import { type Fit, type FitOptions, fitModel } from './fit.ts'
import { standardItemKnn, tunedItemKnn } from './item-knn-baseline.ts'
import { aggregatePairs, orderItems } from './pairs.ts'
import type { EvaluationReport, Learn, LearnProgress, LearnRequest, LearnResult } from './port.ts'
import { checkRefit, type RefitCheck } from './refit.ts'
import type { SearchResult } from './search.ts'
import { openValidation, selectRecipe } from './select.ts'
import { HOLDOUT_SHARE, splitByTime } from './split.ts'

/** Seeds every bootstrap of a run: its intervals depend on the data alone. */
const BOOTSTRAP_SEED = 20_101

/**
 * Split, choose, evaluate, judge, refit (DESIGN section 6). The future is looked at once: to evaluate. The same request
 * gives the same result, whatever the number of threads.
 * @throws MillraceError INVALID_MATRIX where there is too little to learn from or nothing to measure on,
 * INVALID_PARAMETERS, TOO_LARGE_FOR_MEMORY, ABORTED
 */
export const learn: Learn = async (request, { signal, onProgress, onSearchState }) => {
  const source = sourceOf(request)
  const contest = openContest(source)
  const phase = phases(onProgress, signal)
  const validation = openValidation(source, contest)
  const selected = await selectRecipe(source, { contest, validation }, request, {
    signal,
    onProgress: phase('choosing a recipe', 0, 0.45),
    onSearchState,
  })
  const fitting = (name: string, from: number, to: number): FitOptions => ({
    threads: request.threads,
    signal,
    onProgress: iterationsOf(phase(name, from, to)),
  })
  const recipe = selected.best
  const fitPast = (chosen: Recipe, options: FitOptions) =>
    fitModel(contest.past(chosen.halfLifeDays), source.order.itemIds, chosen, contest.pastUntil, options)
  const candidate = await fitPast(recipe, fitting('candidate', 0.45, 0.6))
  const hands = { threads: request.threads, signal }
  const scored = await scoreAll(contest, validation, candidate, hands)
  const champion =
    request.champion &&
    (await championEvidence(
      request.champion,
      { source, contest, candidate, evaluation: scored.candidate },
      (chosen) => fitPast(chosen, fitting("champion's recipe", 0.6, 0.7)),
      hands,
    ))
  const gate = judge({
    candidate: scored.candidate.perUser.ndcg_at_10,
    candidateEstimate: scored.candidate.scores.metrics.ndcg_at_10!,
    popularity: scored.popularity.perUser.ndcg_at_10,
    itemKnn: scored.itemKnn.perUser.ndcg_at_10,
    itemKnnTuned: scored.itemKnnTuned.perUser.ndcg_at_10,
    champion: champion?.evidence ?? null,
    seed: BOOTSTRAP_SEED,
  })
  const refit = await refitOnEverything(source, recipe, fitting('refit on everything', 0.75, 0.97))
  const check = checkRefit(refit.model, candidate.model, contest.past(recipe.halfLifeDays), source.order.itemIds)
  const evaluation = reportOf(contest, scored, champion?.recipe ?? null, selected.trials)
  return {
    model: refit.model,
    recipe,
    evaluation,
    verdict: {
      accepted: gate.accepted && check.passed,
      reasons:
        gate.accepted && !check.passed ? [...check.reasons, ...gate.reasons] : [...gate.reasons, ...check.reasons],
    },
    metrics: flatMetrics(evaluation, refit, check),
  }
}

interface Scored {
  readonly candidate: Evaluation
  readonly popularity: Evaluation
  readonly itemKnn: Evaluation
  readonly itemKnnTuned: Evaluation
  readonly itemKnnNeighbours: number
}

function sourceOf({ columns, weights, valueScaledTypes, halfLifeDays }: LearnRequest): ContestSource {
  const rules = {
    weights,
    valueScaledTypes,
    halfLifeDays: halfLifeDays,
  }
  return { columns, order: orderItems(columns.items), rules, seed: BOOTSTRAP_SEED }
}

function openContest(source: ContestSource): Contest {
  const { columns } = source
  const refuse = (what: string): never => {
    throw new MillraceError('INVALID_MATRIX', `${what}; nothing was trained, ask again when more events have come in`)
  }
  if (columns.users.length < 2 || columns.items.length < 2) {
    refuse(
      `${columns.length} events of ${columns.users.length} users on ${columns.items.length} items are too few to learn from, at least 2 users and 2 items are needed`,
    )
  }
  const split = splitByTime(columns, { from: 0, to: columns.length }, HOLDOUT_SHARE)
  if (split === null)
    return refuse(`all ${columns.length} events have the same time, so that no future can be held out`)
  const contest = createContest(source, split)
  if (evaluatedUsers(contest.comparison) === 0) {
    refuse(
      `none of the ${contest.comparison.holdout.usersTotal} users in the last ${split.future.to - split.future.from} events has both a past and an item new to them, so that nothing can be measured`,
    )
  }
  return contest
}

async function scoreAll(contest: Contest, validation: Contest | null, candidate: Fit, hands: Hands): Promise<Scored> {
  const tuned = await tunedItemKnn(contest, validation, hands)
  return {
    candidate: await contest.evaluateModel(candidate.model, hands),
    popularity: await contest.evaluate({ kind: 'popularity', order: contest.popularity }, hands),
    itemKnn: await contest.evaluate(await standardItemKnn(contest, hands), hands),
    itemKnnTuned: await contest.evaluate(tuned, hands),
    itemKnnNeighbours: tuned.neighbours,
  }
}

async function refitOnEverything(source: ContestSource, recipe: Recipe, options: FitOptions): Promise<Fit> {
  const { columns, order, rules } = source
  const everything = { from: 0, to: columns.length }
  const pairs = aggregatePairs(columns, order, everything, { ...rules, halfLifeDays: recipe.halfLifeDays })
  return await fitModel(pairs, order.itemIds, recipe, columns.timestamp[columns.length - 1]!, options)
}

function reportOf(
  contest: Contest,
  scored: Scored,
  championRecipe: Evaluation | null,
  trials: SearchResult['trials'],
): EvaluationReport {
  const { holdout } = contest.comparison
  return {
    split: {
      at: contest.split.at,
      trainEvents: contest.split.past.to - contest.split.past.from,
      holdoutEvents: holdout.events,
      holdoutUsers: holdout.usersTotal,
      usersWithoutPast: holdout.usersWithoutPast,
      repeatsExcluded: holdout.repeatsExcluded,
      unknownItems: holdout.unknownItems,
    },
    candidate: scored.candidate.scores,
    baselines: {
      popularity: scored.popularity.scores,
      itemKnn: scored.itemKnn.scores,
      itemKnnTuned: scored.itemKnnTuned.scores,
    },
    itemKnnNeighbours: scored.itemKnnNeighbours,
    championRecipe: championRecipe?.scores ?? null,
    slices: scored.candidate.slices,
    trials: trials.map(({ recipe, score }) => ({ recipe, ndcg_at_10: score })),
  }
}

function flatMetrics(evaluation: EvaluationReport, refit: Fit, check: RefitCheck): LearnResult['metrics'] {
  const flat: Record<string, number> = {
    seconds_per_iteration: refit.secondsPerIteration,
    refit_overlap_at_10: check.overlap,
    ...evaluation.candidate.catalogue,
  }
  const add = (prefix: string, metrics: EvaluationReport['candidate']['metrics']) => {
    for (const [name, { value }] of Object.entries(metrics)) flat[`${prefix}${name}`] = value
  }
  add('', evaluation.candidate.metrics)
  add('popularity_', evaluation.baselines.popularity.metrics)
  add('item_knn_', evaluation.baselines.itemKnn.metrics)
  add('item_knn_tuned_', evaluation.baselines.itemKnnTuned.metrics)
  if (evaluation.championRecipe) add('champion_recipe_', evaluation.championRecipe.metrics)
  return flat
}

/** Maps a phase's own 0..1 into its stretch of the whole run; every report is a chance to stop. */
function phases(onProgress: (progress: LearnProgress) => void, signal: AbortSignal) {
  return (name: string, from: number, to: number) =>
    ({ progress, message }: LearnProgress) => {
      if (signal.aborted) throw new MillraceError('ABORTED', `training was stopped while ${name}`)
      onProgress({ progress: from + (to - from) * progress, message: message === '' ? name : `${name}: ${message}` })
    }
}

function iterationsOf(report: (progress: LearnProgress) => void): (progress: AlsProgress) => void {
  return ({ iteration, iterations }) =>
    report({ progress: iteration / iterations, message: `iteration ${iteration} of ${iterations}` })
}
