import { type Contestant, recommendAs } from './contestant.ts'
import { measureHere } from './evaluate.ts'
import { type Comparison, layMeasurements, type Measurements } from './measure.ts'
import type { EvaluationPlan } from './plan.ts'
import type { MetricName } from './ranking-metrics.ts'
import { runThreads, throwIfAborted } from './threads.ts'

export interface MeasureOptions<Name extends MetricName> {
  readonly plan: EvaluationPlan<Name>
  /** At most so many worker threads; 1 measures on the calling thread. */
  readonly threads: number
  readonly signal?: AbortSignal
}

/** What a measuring thread gets. `next`: the first user of the holdout that no thread has taken yet. */
export interface MeasureTask {
  readonly contestant: Contestant
  readonly comparison: Comparison
  readonly measurements: Measurements
  readonly next: Int32Array
}

/** Users that a thread takes at a time. */
export const CHUNK_USERS = 64

/**
 * Measures every user of the holdout, in worker threads that take users from one queue. A user's numbers depend on the
 * user alone and are summed in the holdout's order afterwards, so results are bit-identical whatever the number of
 * threads. Throws ABORTED once `signal` aborts, and what a thread threw.
 */
export async function measureInParallel<Name extends MetricName>(
  contestant: Contestant,
  comparison: Comparison,
  { plan, threads, signal }: MeasureOptions<Name>,
): Promise<Measurements<Name>> {
  throwIfAborted(signal)
  const users = comparison.holdout.users.length
  const wanted = Math.min(threads, Math.ceil(users / CHUNK_USERS))
  if (wanted <= 1) return measureHere(recommendAs(contestant, comparison.past), comparison, plan)
  const measurements = layMeasurements(users, plan)
  const next = new Int32Array(new SharedArrayBuffer(4))
  const task: MeasureTask = { contestant, comparison, measurements, next }
  await runThreads(new URL('./measure-worker.ts', import.meta.url), wanted, task, { signal })
  return measurements
}
