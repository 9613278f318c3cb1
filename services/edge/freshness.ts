import type { Registry } from 'prom-client'

const METRIC = 'event_freshness_seconds'

/**
 * Quantiles of `event_freshness_seconds` between two calls, interpolated within the histogram's buckets; null when nothing
 * was observed or the metric is not in this process.
 */
export function createFreshness(registry: Registry): {
  sinceLast(): Promise<{ readonly p50: number; readonly p99: number } | null>
} {
  let before = new Map<number, number>()
  return {
    async sinceLast() {
      const metric = await registry.getSingleMetric(METRIC)?.get()
      const counts = new Map<number, number>()
      for (const { labels, value } of metric?.values ?? []) {
        const { le } = labels as { readonly le?: string | number }
        if (le === undefined) continue
        const bound = le === '+Inf' ? Infinity : Number(le)
        counts.set(bound, (counts.get(bound) ?? 0) + value)
      }
      const buckets = [...counts]
        .sort(([left], [right]) => left - right)
        .map(([bound, count]) => ({ bound, count: count - (before.get(bound) ?? 0) }))
      before = counts
      const total = buckets.at(-1)?.count ?? 0
      if (total <= 0) return null
      return { p50: milliseconds(quantile(buckets, total * 0.5)), p99: milliseconds(quantile(buckets, total * 0.99)) }
    },
  }
}

/** `buckets` count cumulatively; beyond the last finite bound that bound is all that is known. */
function quantile(buckets: readonly { readonly bound: number; readonly count: number }[], rank: number): number {
  let [lowerBound, lowerCount] = [0, 0]
  for (const { bound, count } of buckets) {
    if (count >= rank && count > lowerCount) {
      if (!Number.isFinite(bound)) return lowerBound
      return lowerBound + ((bound - lowerBound) * (rank - lowerCount)) / (count - lowerCount)
    }
    if (Number.isFinite(bound)) [lowerBound, lowerCount] = [bound, count]
  }
  return lowerBound
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 100_000) / 100
}
