// A preparing thread: does one task and ends.
import { parentPort, workerData } from 'node:worker_threads'
import { invariant, isMillraceError } from '../../schemas/errors.ts'
import { fillTopKMemories } from '../top-k/top-k-index.ts'
import { normalizeRows } from './normalize-rows.ts'
import type { IndexedVectors, PreparationMessage, PreparationTask, Prepared } from './preparation.ts'
import { checkFactors } from './queries.ts'
import { idOrder, inOrder } from './supplement.ts'

const port = parentPort
invariant(port !== null, 'engine/scoring/preparation-worker.ts runs as a worker thread only')
const tell = (message: PreparationMessage): void => port.postMessage(message)
try {
  tell({ kind: 'prepared', prepared: await prepare(workerData as PreparationTask) })
} catch (error) {
  if (!isMillraceError(error)) throw error
  tell({ kind: 'refused', code: error.code, message: error.message, field: error.field })
}

async function prepare(task: PreparationTask): Promise<Prepared[keyof Prepared]> {
  switch (task.kind) {
    case 'model': {
      // Decoding brings the schemas with it, which the other tasks need not wait for.
      const { decodeModel } = await import('../model/encoding.ts')
      const { itemFactors, recipe } = decodeModel(task.bytes)
      checkFactors(itemFactors, 'itemFactors')
      return fillTopKMemories(itemFactors, recipe.factors)
    }
    case 'unit':
      return fillTopKMemories(normalizeRows(task.factors, task.width), task.width)
    case 'supplement': {
      const order = idOrder(task.itemIds)
      const factors = inOrder(task.factors, order, task.width)
      return { order, factors, memories: fillTopKMemories(factors, task.width) } satisfies IndexedVectors
    }
  }
}
