// A thread that finds neighbours: takes items from the shared queue until there are none.
import { parentPort, workerData } from 'node:worker_threads'
import { CHUNK_ITEMS, createNearest, type NearestTask } from './nearest-items.ts'
import { takeStretch } from './threads.ts'

const { pairs, byItem, neighbours, next } = workerData as NearestTask
const nearest = createNearest({ pairs, byItem, neighbours })
for (
  let taken = takeStretch(next, CHUNK_ITEMS, pairs.items);
  taken;
  taken = takeStretch(next, CHUNK_ITEMS, pairs.items)
) {
  const run = nearest(taken.from, taken.to)
  parentPort?.postMessage(run, [run.counts.buffer, run.items.buffer, run.similarities.buffer])
}
