import { type MetricName, metricOf, RANKING_METRICS, type RankingMetric } from './ranking-metrics.ts'

/** What is measured of every list. */
export interface EvaluationPlan<Name extends MetricName = MetricName> {
  readonly metrics: readonly Name[]
  /** Length of the lists that coverage, novelty, diversity and Gini look at; null leaves diversity, the dear one, out. */
  readonly catalogueAt: number | null
}

/** What a training run reports. */
export const REPORTED: EvaluationPlan<RankingMetric> = { metrics: RANKING_METRICS, catalogueAt: 20 }

/** How long lists must be for a plan. */
export function listLength({ metrics, catalogueAt }: EvaluationPlan): number {
  return Math.max(catalogueAt ?? 1, ...metrics.map((name) => metricOf(name).k))
}
