import { mean } from '../engine/evaluation/bootstrap.ts'
import type { Contestant } from '../engine/evaluation/contestant.ts'
import { score } from '../engine/evaluation/evaluate.ts'
import { itemsOf, strengthsOf } from '../engine/evaluation/pair-table.ts'
import { measureInParallel } from '../engine/evaluation/parallel.ts'
import { type MetricName, metricsAt } from '../engine/evaluation/ranking-metrics.ts'
import type { Model } from '../engine/model/model.ts'
import type { Scorer } from '../engine/scoring/port.ts'
import type { ComparedSplit } from './given-split.ts'
import { rounded } from './report.ts'

/** Users whose fold-in and list are timed; the first ones warm up. */
const TIMED_USERS_MAX = 20_000

/**
 * Means over all users with a test item that training does not give away, those that training has not seen included:
 * they are shown the most popular items, and so are users whose vector is zero. All items of the training file compete
 * but the user's own; test items that training has not seen count as missed. Names end in `_at_K`; recall and NDCG at 20
 * are always among them.
 */
export async function evaluateHeldOut(
  model: Model,
  split: ComparedSplit,
  k: number,
  threads: number,
): Promise<Readonly<Record<string, number>>> {
  const plan = { metrics: [...new Set<MetricName>(['recall_at_20', 'ndcg_at_20', ...metricsAt(k)])], catalogueAt: k }
  const measured = await measureInParallel(contestantOf(model, split), split.comparison, { plan, threads })
  const { users } = split.comparison.holdout
  const { scores, perUser } = score(measured, split.comparison, [...users.keys()])
  return {
    usersTested: users.length,
    ...Object.fromEntries(plan.metrics.map((name) => [name, mean(perUser[name])])),
    ...scores.catalogue,
  }
}

/** NDCG@k alone, over the same users. */
export async function heldOutNdcg(model: Model, split: ComparedSplit, k: number, threads: number): Promise<number> {
  const name: MetricName = `ndcg_at_${k}`
  const plan = { metrics: [name], catalogueAt: null }
  const { values } = await measureInParallel(contestantOf(model, split), split.comparison, { plan, threads })
  return mean(values)
}

function contestantOf(model: Model, { comparison, itemIds, popular }: ComparedSplit): Contestant {
  return { kind: 'model', model, histories: comparison.past, itemIds, fallback: popular }
}

/** Microseconds of fold-in and exact top-k, one user at a time on one thread, of test users that training knows. */
export function timeUsers(scorer: Scorer, { comparison }: ComparedSplit, k: number) {
  const { past, holdout } = comparison
  const foldIn: number[] = []
  const recommend: number[] = []
  for (const user of holdout.users.subarray(0, TIMED_USERS_MAX)) {
    const items = itemsOf(past, user)
    if (items.length === 0) continue
    const observations = { items, strengths: strengthsOf(past, user) }
    const startedAt = performance.now()
    const vector = scorer.foldIn(observations)
    const foldedAt = performance.now()
    if (vector.every((value) => value === 0)) continue
    scorer.top({ vector, k, exclude: items })
    foldIn.push((foldedAt - startedAt) * 1_000)
    recommend.push((performance.now() - foldedAt) * 1_000)
  }
  return {
    recommendUsP50: quantileOf(recommend, 0.5),
    recommendUsP99: quantileOf(recommend, 0.99),
    foldInUsP50: quantileOf(foldIn, 0.5),
    foldInUsP99: quantileOf(foldIn, 0.99),
  }
}

/** null where no test user is known to training. */
function quantileOf(values: readonly number[], fraction: number): number | null {
  const sorted = values.toSorted((left, right) => left - right)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))]
  return value === undefined ? null : rounded(value)
}
