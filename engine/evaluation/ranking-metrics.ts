/** Names of the metrics per user, in the order of `rankingMetrics`. */
export const RANKING_METRICS = [
  'recall_at_10',
  'recall_at_20',
  'ndcg_at_10',
  'ndcg_at_20',
  'map_at_20',
  'mrr_at_20',
  'hit_rate_at_20',
] as const
export type RankingMetric = (typeof RANKING_METRICS)[number]

/** Longest list that the metrics look at. */
export const EVALUATED_LENGTH = 20

/**
 * One user's metrics from the ranks (0 = best) at which relevant items were found, ascending. `relevant` counts all
 * relevant items, also those no list could contain (unknown to the model): they stay in the denominators.
 */
export function rankingMetrics(hitRanks: readonly number[], relevant: number): Record<RankingMetric, number> {
  return {
    recall_at_10: recall(hitRanks, relevant, 10),
    recall_at_20: recall(hitRanks, relevant, 20),
    ndcg_at_10: ndcg(hitRanks, relevant, 10),
    ndcg_at_20: ndcg(hitRanks, relevant, 20),
    map_at_20: averagePrecision(hitRanks, relevant, 20),
    mrr_at_20: reciprocalRank(hitRanks, 20),
    hit_rate_at_20: hitRate(hitRanks, 20),
  }
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
