// A thread that finds neighbours: takes items from the shared queue until there are none.
import { parentPort, workerData } from 'node:worker_threads'
import { findNearest, type NearestTask } from './nearest-items.ts'

for (const run of findNearest(workerData as NearestTask)) {
  parentPort?.postMessage(run, [run.counts.buffer, run.items.buffer, run.similarities.buffer])
}
