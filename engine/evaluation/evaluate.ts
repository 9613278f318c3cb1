import type { EvaluationReport, ModelScores } from '../learn/port.ts'
import { bootstrapMeans, mean } from './bootstrap.ts'
import { coverage, gini, meanDiversity, novelty, transposePairs } from './catalogue-metrics.ts'
import type { Holdout } from './holdout.ts'
import { type Comparison, createMeasure, layMeasurements, listOf, type Measurements, valuesOf } from './measure.ts'
import type { PairTable } from './pair-table.ts'
import { type EvaluationPlan, REPORTED } from './plan.ts'
import type { MetricName, RankingMetric } from './ranking-metrics.ts'
import type { Recommend } from './recommender.ts'

/** The headline metrics of one recommender: means with intervals, and every user's own values behind them. */
export interface Scored<Name extends MetricName> {
  readonly scores: ModelScores
  /** Per user with a past and something relevant, in the holdout's order: the same users for every recommender. */
  readonly perUser: Readonly<Record<Name, Float64Array>>
}

export interface Evaluation extends Scored<RankingMetric> {
  readonly slices: EvaluationReport['slices']
}

export function createComparison(past: PairTable, holdout: Holdout, seed: number): Comparison {
  return { past, byItem: transposePairs(past), holdout, catalogueItems: new Set(past.itemRanks).size, seed }
}

/** How many users the headline metrics are averaged over. */
export function evaluatedUsers(comparison: Comparison): number {
  return usersWithPast(comparison).length
}

/**
 * Full-catalogue evaluation, unsampled: every item the user does not have in the past competes. The headline metrics,
 * their intervals and the catalogue metrics are over users with a past; users without one form slice "0" (what they
 * are shown is the recommender's own business: popularity for all of ours). On the calling thread; parallel.ts does the
 * same on several.
 */
export function evaluate(recommend: Recommend, comparison: Comparison): Evaluation {
  return summarize(measureHere(recommend, comparison, REPORTED), comparison)
}

export function measureHere<Name extends MetricName>(
  recommend: Recommend,
  comparison: Comparison,
  plan: EvaluationPlan<Name>,
): Measurements<Name> {
  const users = comparison.holdout.users.length
  const measurements = layMeasurements(users, plan)
  createMeasure(recommend, comparison, measurements)(0, users)
  return measurements
}

/** The report of measurements made with the plan REPORTED. */
export function summarize(measurements: Measurements<RankingMetric>, comparison: Comparison): Evaluation {
  return {
    ...score(measurements, comparison, usersWithPast(comparison)),
    slices: slicesOf(measurements, comparison),
  }
}

/** Any plan's means with intervals, over the users with a past where no others are named (places in the holdout). */
export function score<Name extends MetricName>(
  measurements: Measurements<Name>,
  comparison: Comparison,
  users: readonly number[] = usersWithPast(comparison),
): Scored<Name> {
  const { metrics, catalogueAt } = measurements.plan
  const columns = metrics.map((name) => valuesOf(measurements, name, users))
  const means = bootstrapMeans(columns, comparison.seed)
  return {
    scores: {
      metrics: Object.fromEntries(metrics.map((name, index) => [name, means[index]!])),
      catalogue: catalogueAt === null ? {} : catalogueMetrics(measurements, comparison, users, catalogueAt),
    },
    perUser: Object.fromEntries(metrics.map((name, index) => [name, columns[index]!])) as Record<Name, Float64Array>,
  }
}

/** Mean of one metric over the users with a past, and nothing else: what a search compares. */
export function meanOf<Name extends MetricName>(
  measurements: Measurements<Name>,
  name: Name,
  comparison: Comparison,
): number {
  return mean(valuesOf(measurements, name, usersWithPast(comparison)))
}

/** Places in the holdout of the users with a past. */
export function usersWithPast({ past, holdout }: Comparison): readonly number[] {
  return [...holdout.users.keys()].filter((index) => historyLength(past, holdout.users[index]!) > 0)
}

function catalogueMetrics(
  measurements: Measurements,
  comparison: Comparison,
  users: readonly number[],
  k: number,
): ModelScores['catalogue'] {
  const lists = users.map((index) => listOf(measurements, index, k))
  return {
    [`coverage_at_${k}`]: coverage(lists, comparison.catalogueItems),
    [`novelty_at_${k}`]: novelty(lists, comparison.past),
    [`diversity_at_${k}`]: meanDiversity(Float64Array.from(users, (index) => measurements.diversity[index]!)),
    [`gini_at_${k}`]: gini(lists, comparison.catalogueItems, comparison.past.items),
  }
}

function slicesOf(
  measurements: Measurements<RankingMetric>,
  { past, holdout }: Comparison,
): EvaluationReport['slices'] {
  const all = [...holdout.users.keys()]
  const slices = [
    ['0', 0, 0],
    ['1-4', 1, 4],
    ['5-19', 5, 19],
    ['20+', 20, Infinity],
  ] as const
  return slices.map(([slice, low, high]) => {
    const users = all.filter((index) => {
      const length = historyLength(past, holdout.users[index]!)
      return length >= low && length <= high
    })
    return {
      slice,
      users: users.length,
      ndcg_at_10: mean(valuesOf(measurements, 'ndcg_at_10', users)),
      recall_at_20: mean(valuesOf(measurements, 'recall_at_20', users)),
    }
  })
}

function historyLength(past: PairTable, user: number): number {
  return past.pointers[user + 1]! - past.pointers[user]!
}
