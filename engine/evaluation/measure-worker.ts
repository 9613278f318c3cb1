// A measuring thread: takes users from the shared queue until there are none.
import { workerData } from 'node:worker_threads'
import { recommendAs } from './contestant.ts'
import { createMeasure } from './measure.ts'
import { CHUNK_USERS, type MeasureTask } from './parallel.ts'
import { takeStretches } from './threads.ts'

const { contestant, comparison, measurements, next } = workerData as MeasureTask
const measure = createMeasure(recommendAs(contestant, comparison.past), comparison, measurements)
const users = comparison.holdout.users.length
for (const { from, to } of takeStretches(next, CHUNK_USERS, users)) measure(from, to)
