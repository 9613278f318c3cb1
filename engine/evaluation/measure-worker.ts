// A measuring thread: takes users from the shared queue until there are none.
import { workerData } from 'node:worker_threads'
import { recommendAs } from './contestant.ts'
import { createMeasure } from './measure.ts'
import { CHUNK_USERS, type MeasureTask } from './parallel.ts'

const { contestant, comparison, measurements, next } = workerData as MeasureTask
const measure = createMeasure(recommendAs(contestant, comparison.past), comparison, measurements)
const users = comparison.holdout.users.length
for (;;) {
  const from = Atomics.add(next, 0, CHUNK_USERS)
  if (from >= users) break
  measure(from, Math.min(users, from + CHUNK_USERS))
}
