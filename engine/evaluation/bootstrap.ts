import type { Estimate } from '../learn/port.ts'
import { createRandom } from './random.ts'

const RESAMPLES_MAX = 1_000
const RESAMPLES_MIN = 100
/** Draws per call are bounded: with very many users fewer resamples are enough. */
const DRAWS_MAX = 20_000_000

/**
 * Means of several metrics over the same users, each with its 95 % percentile bootstrap interval (Efron & Tibshirani
 * 1993): users are drawn with replacement, the same draws for every metric. `values[m][u]` is metric m of user u.
 * Without users every estimate is 0.
 */
export function bootstrapMeans(values: readonly Float64Array[], seed: number): readonly Estimate[] {
  const users = values[0]?.length ?? 0
  if (users === 0) return values.map(() => ({ value: 0, low: 0, high: 0 }))
  const resamples = Math.max(RESAMPLES_MIN, Math.min(RESAMPLES_MAX, Math.floor(DRAWS_MAX / users)))
  const random = createRandom(seed)
  const means = values.map(() => new Float64Array(resamples))
  const drawn = new Int32Array(users)
  for (let resample = 0; resample < resamples; resample++) {
    for (let draw = 0; draw < users; draw++) drawn[draw] = Math.floor(random() * users)
    for (let metric = 0; metric < values.length; metric++) {
      means[metric]![resample] = meanOfDrawn(values[metric]!, drawn)
    }
  }
  return values.map((value, metric) => {
    const sorted = means[metric]!.sort()
    return { value: mean(value), low: percentile(sorted, 0.025), high: percentile(sorted, 0.975) }
  })
}

/** Paired comparison of two recommenders on the same users: left minus right, mean with its 95 % interval. */
export function pairedDifference(left: Float64Array, right: Float64Array, seed: number): Estimate {
  return bootstrapMeans([left.map((value, user) => value - right[user]!)], seed)[0]!
}

export function mean(values: Float64Array): number {
  if (values.length === 0) return 0
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

function meanOfDrawn(values: Float64Array, drawn: Int32Array): number {
  let sum = 0
  for (let draw = 0; draw < drawn.length; draw++) sum += values[drawn[draw]!]!
  return sum / drawn.length
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
}
