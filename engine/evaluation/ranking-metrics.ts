import { MillraceError } from '../../schemas/errors.ts'

/** One user's value from the ranks (0 = best) of the hits, ascending, the number of relevant items, and the cut-off. */
type Metric = (hitRanks: readonly number[], relevant: number, k: number) => number

const METRICS = {
  recall,
  ndcg,
  map: averagePrecision,
  mrr: (hitRanks, _relevant, k) => reciprocalRank(hitRanks, k),
  hit_rate: (hitRanks, _relevant, k) => hitRate(hitRanks, k),
} as const satisfies Record<string, Metric>

/** A metric per user at any cut-off from 1 on, e.g. `map_at_50`. */
export type MetricName = `${keyof typeof METRICS}_at_${number}`

/** What every report holds. */
export const RANKING_METRICS = [
  'recall_at_10',
  'recall_at_20',
  'ndcg_at_10',
  'ndcg_at_20',
  'map_at_20',
  'mrr_at_20',
  'hit_rate_at_20',
] as const satisfies readonly MetricName[]
export type RankingMetric = (typeof RANKING_METRICS)[number]

/** Every metric at cut-off k. */
export function metricsAt(k: number): readonly MetricName[] {
  return (Object.keys(METRICS) as (keyof typeof METRICS)[]).map((name) => `${name}_at_${k}` as const)
}

/** The metric of a name, with its cut-off settled. `relevant` counts what no list could contain too: denominators keep it. */
export function metricOf(name: MetricName): {
  readonly k: number
  readonly of: (hitRanks: readonly number[], relevant: number) => number
} {
  const [kind = '', cutoff] = name.split('_at_')
  const metric: Metric | undefined = Object.hasOwn(METRICS, kind) ? METRICS[kind as keyof typeof METRICS] : undefined
  const k = Number(cutoff)
  if (metric === undefined || !Number.isInteger(k) || k < 1) {
    throw new MillraceError(
      'INVALID_PARAMETERS',
      `there is no metric ${name}; write ${Object.keys(METRICS).join(', ')} and _at_K`,
    )
  }
  return { k, of: (hitRanks, relevant) => metric(hitRanks, relevant, k) }
}

/** Found relevant items over all relevant items. */
export function recall(hitRanks: readonly number[], relevant: number, k: number): number {
  return hitRanks.filter((rank) => rank < k).length / relevant
}

/** Binary relevance: sum of 1 / log2(rank + 2) over hits, divided by the same for a list of relevant items only. */
export function ndcg(hitRanks: readonly number[], relevant: number, k: number): number {
  let gain = 0
  for (const rank of hitRanks) if (rank < k) gain += 1 / Math.log2(rank + 2)
  let ideal = 0
  for (let rank = 0; rank < Math.min(k, relevant); rank++) ideal += 1 / Math.log2(rank + 2)
  return gain / ideal
}

/** Precision at each hit, summed and divided by the hits a perfect list of length k would have: min(k, relevant). */
export function averagePrecision(hitRanks: readonly number[], relevant: number, k: number): number {
  let sum = 0
  let hits = 0
  for (const rank of hitRanks) {
    if (rank >= k) break
    hits++
    sum += hits / (rank + 1)
  }
  return sum / Math.min(k, relevant)
}

/** 1 / position of the first hit within k; 0 without one. */
export function reciprocalRank(hitRanks: readonly number[], k: number): number {
  const first = hitRanks[0]
  return first !== undefined && first < k ? 1 / (first + 1) : 0
}

export function hitRate(hitRanks: readonly number[], k: number): number {
  const first = hitRanks[0]
  return first !== undefined && first < k ? 1 : 0
}
