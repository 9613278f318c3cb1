import type { ItemColumns } from './catalogue-metrics.ts'
import { createItemCosine, listDiversity } from './catalogue-metrics.ts'
import type { Holdout } from './holdout.ts'
import type { PairTable } from './pair-table.ts'
import { type EvaluationPlan, listLength } from './plan.ts'
import { type MetricName, metricOf } from './ranking-metrics.ts'
import type { Recommend } from './recommender.ts'

/** One past and one future on which several recommenders are compared. All of it can be sent to a thread. */
export interface Comparison {
  readonly past: PairTable
  /** The past by item. */
  readonly byItem: ItemColumns
  readonly holdout: Holdout
  /** Items with any event in the past: the catalogue that coverage and Gini refer to. */
  readonly catalogueItems: number
  /** Seeds every bootstrap of the comparison. */
  readonly seed: number
}

/** What was shown to every user of the holdout, in its order, and how well it did. Shared memory: threads fill it. */
export interface Measurements<Name extends MetricName = MetricName> {
  readonly plan: EvaluationPlan<Name>
  readonly length: number
  /** users x length item ranks; -1 behind the end of a list. */
  readonly lists: Int32Array
  /** users x metrics of the plan. */
  readonly values: Float64Array
  /** 1 minus the mean cosine within each list; NaN for lists of fewer than two items or where the plan has none. */
  readonly diversity: Float64Array
}

export function layMeasurements<Name extends MetricName>(
  users: number,
  plan: EvaluationPlan<Name>,
): Measurements<Name> {
  const length = listLength(plan)
  return {
    plan,
    length,
    lists: new Int32Array(new SharedArrayBuffer(users * length * 4)).fill(-1),
    values: new Float64Array(new SharedArrayBuffer(users * plan.metrics.length * 8)),
    diversity: new Float64Array(new SharedArrayBuffer(users * 8)).fill(Number.NaN),
  }
}

/** Measures users [from, to) of a holdout; each user's numbers depend on nothing but the user. */
export type Measure = (from: number, to: number) => void

export function createMeasure(recommend: Recommend, { holdout, byItem }: Comparison, into: Measurements): Measure {
  const metrics = into.plan.metrics.map(metricOf)
  const { catalogueAt } = into.plan
  const cosine = createItemCosine(byItem)
  return (from, to) => {
    for (let index = from; index < to; index++) {
      const relevant = holdout.itemRanks.subarray(holdout.pointers[index], holdout.pointers[index + 1])
      const list = recommend(holdout.users[index]!, into.length)
      into.lists.set(list, index * into.length)
      const ranks = hitRanks(list, relevant)
      for (const [metric, { of }] of metrics.entries()) {
        into.values[index * metrics.length + metric] = of(ranks, relevant.length)
      }
      if (catalogueAt !== null) into.diversity[index] = listDiversity(list.subarray(0, catalogueAt), cosine)
    }
  }
}

/** Places of relevant items in the list, ascending from 0. */
export function hitRanks(list: Int32Array, relevant: Int32Array): number[] {
  const wanted = new Set(relevant)
  const ranks: number[] = []
  for (let rank = 0; rank < list.length; rank++) if (wanted.has(list[rank]!)) ranks.push(rank)
  return ranks
}

/** The list of one user of the holdout, at most `k` long. */
export function listOf({ lists, length }: Measurements, index: number, k: number): Int32Array {
  const list = lists.subarray(index * length, index * length + Math.min(k, length))
  const end = list.indexOf(-1)
  return end < 0 ? list : list.subarray(0, end)
}

/** One metric of chosen users of the holdout, in the order given. */
export function valuesOf<Name extends MetricName>(
  { plan, values }: Measurements<Name>,
  name: Name,
  indexes: readonly number[],
): Float64Array {
  const place = plan.metrics.indexOf(name)
  return Float64Array.from(indexes, (index) => values[index * plan.metrics.length + place]!)
}
