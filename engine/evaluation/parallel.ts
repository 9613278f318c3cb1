import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../schemas/errors.ts'
import { type Contestant, recommendAs } from './contestant.ts'
import { measureHere } from './evaluate.ts'
import { type Comparison, layMeasurements, type Measurements } from './measure.ts'
import type { EvaluationPlan } from './plan.ts'
import type { MetricName } from './ranking-metrics.ts'

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
  await runWorkers(wanted, { contestant, comparison, measurements, next }, signal)
  return measurements
}

/** Resolves when every thread has ended by itself; ends all of them at the first failure. */
async function runWorkers(threads: number, task: MeasureTask, signal: AbortSignal | undefined): Promise<void> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('./measure-worker.ts', import.meta.url), { workerData: task }),
  )
  const stopped = Promise.withResolvers<never>()
  const stop = () => stopped.reject(abortedBy(signal))
  signal?.addEventListener('abort', stop, { once: true })
  try {
    await Promise.race([Promise.all(workers.map(ended)), stopped.promise])
  } finally {
    signal?.removeEventListener('abort', stop)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

function ended(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`invariant broken: a measuring thread ended with code ${code}`))
    })
  })
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBy(signal)
}

function abortedBy(signal: AbortSignal | undefined): MillraceError {
  return new MillraceError('ABORTED', 'the evaluation was stopped; its numbers so far are dropped', {
    cause: signal?.reason,
  })
}
