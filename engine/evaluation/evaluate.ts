import type { EvaluationReport, ModelScores } from '../learn/port.ts'
import { bootstrapMeans, mean } from './bootstrap.ts'
import { coverage, createItemCosine, diversity, gini, novelty, transposePairs } from './catalogue-metrics.ts'
import type { Holdout } from './holdout.ts'
import type { PairTable } from './pair-table.ts'
import { EVALUATED_LENGTH, ndcg, RANKING_METRICS, type RankingMetric, rankingMetrics } from './ranking-metrics.ts'
import type { Recommend } from './recommender.ts'

/** One past and one future on which several recommenders are compared. */
export interface Comparison {
  readonly past: PairTable
  readonly holdout: Holdout
  /** Items with any event in the past: the catalogue that coverage and Gini refer to. */
  readonly catalogueItems: number
  readonly cosine: (left: number, right: number) => number
  /** Seeds every bootstrap of the comparison. */
  readonly seed: number
}

export interface Evaluation {
  readonly scores: ModelScores
  /** Per user with a past and something relevant, in the holdout's order: the same users for every recommender. */
  readonly perUser: Readonly<Record<RankingMetric, Float64Array>>
  readonly slices: EvaluationReport['slices']
}

export function createComparison(past: PairTable, holdout: Holdout, seed: number): Comparison {
  const catalogueItems = new Set(past.itemRanks).size
  return { past, holdout, catalogueItems, cosine: createItemCosine(transposePairs(past)), seed }
}

/** How many users the headline metrics are averaged over. */
export function evaluatedUsers({ past, holdout }: Comparison): number {
  return holdout.users.filter((user) => historyLength(past, user) > 0).length
}

/**
 * Full-catalogue evaluation, unsampled: every item the user does not have in the past competes. The headline metrics,
 * their intervals and the catalogue metrics are over users with a past; users without one form slice "0" (what they
 * are shown is the recommender's own business: popularity for all of ours).
 */
export function evaluate(recommend: Recommend, comparison: Comparison): Evaluation {
  const { past, holdout } = comparison
  const lists: Int32Array[] = []
  const lengths: number[] = []
  const perUser: Record<RankingMetric, number>[] = []
  const withoutPast: Record<RankingMetric, number>[] = []
  for (let index = 0; index < holdout.users.length; index++) {
    const user = holdout.users[index]!
    const relevant = holdout.itemRanks.subarray(holdout.pointers[index], holdout.pointers[index + 1])
    const list = recommend(user, EVALUATED_LENGTH)
    const metrics = rankingMetrics(hitRanks(list, relevant), relevant.length)
    const length = historyLength(past, user)
    if (length === 0) {
      withoutPast.push(metrics)
      continue
    }
    perUser.push(metrics)
    lengths.push(length)
    lists.push(list)
  }
  const columns = Object.fromEntries(
    RANKING_METRICS.map((name) => [name, Float64Array.from(perUser, (metrics) => metrics[name])]),
  ) as Record<RankingMetric, Float64Array>
  return {
    scores: { metrics: estimates(columns, comparison.seed), catalogue: catalogueMetrics(lists, comparison) },
    perUser: columns,
    slices: slicesOf(perUser, lengths, withoutPast),
  }
}

/** Mean NDCG@10 over the users with a past, and nothing else: what a search compares. */
export function meanNdcg(recommend: Recommend, comparison: Comparison): number {
  const { past, holdout } = comparison
  const values: number[] = []
  for (let index = 0; index < holdout.users.length; index++) {
    const user = holdout.users[index]!
    if (historyLength(past, user) === 0) continue
    const relevant = holdout.itemRanks.subarray(holdout.pointers[index], holdout.pointers[index + 1])
    values.push(ndcg(hitRanks(recommend(user, 10), relevant), relevant.length, 10))
  }
  return mean(Float64Array.from(values))
}

/** Places of relevant items in the list, ascending from 0. */
export function hitRanks(list: Int32Array, relevant: Int32Array): number[] {
  const wanted = new Set(relevant)
  const ranks: number[] = []
  for (let rank = 0; rank < list.length; rank++) if (wanted.has(list[rank]!)) ranks.push(rank)
  return ranks
}

function estimates(columns: Record<RankingMetric, Float64Array>, seed: number): ModelScores['metrics'] {
  const means = bootstrapMeans(
    RANKING_METRICS.map((name) => columns[name]),
    seed,
  )
  return Object.fromEntries(RANKING_METRICS.map((name, index) => [name, means[index]!]))
}

function catalogueMetrics(lists: readonly Int32Array[], comparison: Comparison): ModelScores['catalogue'] {
  return {
    coverage_at_20: coverage(lists, comparison.catalogueItems),
    novelty_at_20: novelty(lists, comparison.past),
    diversity_at_20: diversity(lists, comparison.cosine),
    gini_at_20: gini(lists, comparison.catalogueItems, comparison.past.items),
  }
}

function slicesOf(
  perUser: readonly Record<RankingMetric, number>[],
  lengths: readonly number[],
  withoutPast: readonly Record<RankingMetric, number>[],
): EvaluationReport['slices'] {
  const within = (low: number, high: number) =>
    perUser.filter((_, index) => lengths[index]! >= low && lengths[index]! <= high)
  const slices = [
    ['0', withoutPast],
    ['1-4', within(1, 4)],
    ['5-19', within(5, 19)],
    ['20+', within(20, Infinity)],
  ] as const
  return slices.map(([slice, users]) => ({
    slice,
    users: users.length,
    ndcg_at_10: mean(Float64Array.from(users, (metrics) => metrics.ndcg_at_10)),
    recall_at_20: mean(Float64Array.from(users, (metrics) => metrics.recall_at_20)),
  }))
}

function historyLength(past: PairTable, user: number): number {
  return past.pointers[user + 1]! - past.pointers[user]!
}
