// `node bench/peers/quality.ts --events FILE [--trials 40] [--seeds 5] [--half-life 90] [--threads 2]`: by the protocol of a
// training run (the last tenth of time held out, the tenth before it for validation) popularity, item-kNN (the gate's, and
// one tuned on the validation slice), our untuned and tuned recipe, and PyPI implicit tuned with as many trials. Both fit the
// same pairs, both are tuned on the same validation slice by the same metric (NDCG@10), and one evaluator measures all of
// them. The holdout is looked at once, at the end; ALS is reported as the mean over seeds. FILE is
// user,item,quantity,price,timestamp, ascending in time. Prints one JSON line; results: bench/RESULTS-quality.md.
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Value } from 'typebox/value'
import { mean, pairedDifference } from '../../engine/evaluation/bootstrap.ts'
import type { Contestant } from '../../engine/evaluation/contestant.ts'
import { likesOf } from '../../engine/evaluation/item-knn.ts'
import { nearestItems } from '../../engine/evaluation/nearest-items.ts'
import type { RankingMetric } from '../../engine/evaluation/ranking-metrics.ts'
import { type Contest, createContest } from '../../engine/learn/contest.ts'
import { fitModel } from '../../engine/learn/fit.ts'
import { standardItemKnn } from '../../engine/learn/item-knn-baseline.ts'
import { orderItems } from '../../engine/learn/pairs.ts'
import { defaultRecipe } from '../../engine/learn/recipes.ts'
import { selectRecipe, shapeOf } from '../../engine/learn/select.ts'
import { HOLDOUT_SHARE, splitByTime } from '../../engine/learn/split.ts'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'
import type { Recipe } from '../../schemas/training.ts'
import { rounded } from '../report.ts'
import { readRetailEvents } from '../retail-events.ts'
import { installPeers } from './environment.ts'
import { type ImplicitRecipe, implicitContestants, implicitRecipes } from './implicit.ts'

const SEARCH_SEED = 17
const REPORT: readonly RankingMetric[] = ['ndcg_at_10', 'ndcg_at_20', 'recall_at_20']

const text = { type: 'string' } as const
const { values: given } = parseArgs({
  options: {
    ...{ events: text, trials: { ...text, default: '40' }, seeds: { ...text, default: '5' } },
    ...{ 'half-life': { ...text, default: '90' }, threads: { ...text, default: '2' } },
  },
})
if (given.events === undefined) throw new Error('--events FILE is missing')
const halfLifeDays = Number(given['half-life'])
const trials = Number(given.trials)
const hands = { threads: Number(given.threads), signal: new AbortController().signal }
const seeds = Array.from({ length: Number(given.seeds) }, (_, index) => index + 1)
const columns = readRetailEvents(given.events)
const { weights } = parseEventWeights(Value.Default(Settings, {}) as Settings)
const rules = { weights, valueScaledTypes: [], halfLifeDays }
const source = { columns, order: orderItems(columns.items), rules, seed: 1 }
const split = splitByTime(columns, { from: 0, to: columns.length }, HOLDOUT_SHARE)!
const contest = createContest(source, split)
const validation = createContest(source, splitByTime(columns, split.past, HOLDOUT_SHARE)!)
const folder = mkdtempSync(join(tmpdir(), 'millrace-quality-'))
try {
  await run()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function run(): Promise<void> {
  const python = installPeers()
  const shape = shapeOf(contest.past(halfLifeDays))
  const request = { columns, ...rules, parameters: {}, champion: null, trials, threads: hands.threads }
  const ours = await selectRecipe(source, { contest, validation }, request, { ...hands, onProgress: () => {} })
  console.error('ours, tuned:', ours.best, ours.trials.map(({ score }) => score.toFixed(4)).join(' '))
  const recipes = implicitRecipes(trials, shape.meanStrength, SEARCH_SEED)
  const tried = implicitContestants(validation, halfLifeDays, recipes, {
    python,
    folder: join(folder, 'v'),
    length: 20,
  })
  const scores = await inTurn(tried.contestants, async (shown) =>
    mean((await validation.evaluate(shown, hands)).perUser.ndcg_at_10),
  )
  const theirs = recipes[scores.indexOf(Math.max(...scores))]!
  console.error('implicit, tuned:', theirs, scores.map((score) => score.toFixed(4)).join(' '))
  const knn = await tunedItemKnn()
  const untuned = defaultRecipe({}, halfLifeDays, shape)
  const measured = {
    popularity: await measure([{ kind: 'popularity', order: contest.popularity }]),
    itemKnn: await measure([await standardItemKnn(contest, hands)]),
    itemKnnTuned: await measure([await itemKnn(contest, knn)]),
    ours: await measure(await fits(untuned)),
    oursTuned: await measure(await fits(ours.best)),
    implicitTuned: await measure(peers(python, theirs)),
  }
  console.log(
    JSON.stringify({
      ...{ halfLifeDays, trials, seeds: seeds.length, users: measured.ours.perUser.length },
      ...Object.fromEntries(Object.entries(measured).map(([name, { metrics }]) => [name, metrics])),
      untunedOfTuned: rounded(measured.ours.metrics.ndcg_at_20! / measured.oursTuned.metrics.ndcg_at_20!),
      tunedMinusImplicit: pairedDifference(measured.oursTuned.perUser, measured.implicitTuned.perUser, 1),
      untunedMinusImplicit: pairedDifference(measured.ours.perUser, measured.implicitTuned.perUser, 1),
      validation: {
        ours: best(
          ours.trials.filter(({ recipe }) => recipe.iterations === ours.best.iterations).map(({ score }) => score),
        ),
        implicit: best(scores),
      },
      recipes: { itemKnnTuned: knn, untuned, oursTuned: ours.best, implicitTuned: theirs },
      machine: { cpu: cpus()[0]?.model.trim(), cores: cpus().length, node: process.version, ...tried.versions },
    }),
  )
}

/** Means over users and over what is shown (one per seed); NDCG@20 per user as the mean over seeds. */
async function measure(shown: readonly Contestant[]) {
  const evaluations = await inTurn(shown, (contestant) => contest.evaluate(contestant, hands))
  const over = (name: RankingMetric) => evaluations.map(({ perUser }) => mean(perUser[name]))
  const metrics: Record<string, number> = {}
  for (const name of REPORT) metrics[name] = rounded(mean(Float64Array.from(over(name))), 4)
  const first = evaluations[0]!.perUser.ndcg_at_20
  const perUser = first.map((_, user) => mean(Float64Array.from(evaluations, (one) => one.perUser.ndcg_at_20[user]!)))
  return {
    metrics: {
      ...metrics,
      ...(shown.length > 1 && { ndcg_at_20_by_seed: over('ndcg_at_20').map((value) => rounded(value, 4)) }),
    } as Record<string, number>,
    perUser,
  }
}

async function fits(recipe: Recipe): Promise<readonly Contestant[]> {
  const histories = contest.past(halfLifeDays)
  const { itemIds } = source.order
  return await inTurn(seeds, async (seed) => {
    const options = { ...hands, onProgress: () => {} }
    const { model } = await fitModel(histories, itemIds, { ...recipe, seed }, contest.pastUntil, options)
    return { kind: 'model', model, histories, itemIds, fallback: contest.popularity }
  })
}

function peers(python: string, recipe: ImplicitRecipe): readonly Contestant[] {
  const recipes = seeds.map((seed) => ({ ...recipe, seed }))
  return implicitContestants(contest, halfLifeDays, recipes, { python, folder: join(folder, 'h'), length: 20 })
    .contestants
}

interface ItemKnn {
  /** Similar by who likes them at all, or by how strongly. */
  readonly likes: boolean
  readonly neighbours: number
}

/** A stronger one than the gate's where more is tried. */
async function itemKnn({ comparison, popularity }: Contest, { likes, neighbours }: ItemKnn): Promise<Contestant> {
  const { past } = comparison
  const by = likes ? likesOf(past) : past
  return { kind: 'item-knn', nearest: await nearestItems(by, neighbours, hands), neighbours, fallback: popularity }
}

async function tunedItemKnn(): Promise<ItemKnn> {
  const choices = [true, false].flatMap((likes) =>
    [5, 10, 20, 50, 100, 400].map((neighbours) => ({ likes, neighbours })),
  )
  const scored = await inTurn(choices, async (choice) => ({
    choice,
    ndcg: mean((await validation.evaluate(await itemKnn(validation, choice), hands)).perUser.ndcg_at_10),
  }))
  return scored.toSorted((left, right) => right.ndcg - left.ndcg)[0]!.choice
}

function best(scores: readonly number[]): number {
  return rounded(Math.max(...scores), 4)
}

async function inTurn<T, R>(all: readonly T[], step: (one: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  for (const one of all) results.push(await step(one))
  return results
}
