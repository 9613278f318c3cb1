// The learning thread: everything that takes long in a training run happens here, off the main event loop.
import { parentPort, workerData } from 'node:worker_threads'
import { learn } from '../../engine/learn/learn.ts'
import type { Champion } from '../../engine/learn/port.ts'
import { decodeModel, encodeModel } from '../../engine/model/encoding.ts'
import { invariant, isMillraceError } from '../../schemas/errors.ts'
import type { Learned, LearningMessage, LearningTask } from './learning-messages.ts'
import { unpackIds } from './packed-ids.ts'

const port = parentPort
invariant(port !== null, 'services/trainer/worker.ts runs as a worker thread')
const send = (message: LearningMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)
try {
  const learned = await run(workerData as LearningTask)
  send({ kind: 'learned', learned })
} catch (error) {
  send({
    kind: 'failed',
    code: isMillraceError(error) ? error.code : null,
    message: error instanceof Error ? error.message : String(error),
    field: isMillraceError(error) ? error.field : null,
  })
}

async function run(task: LearningTask): Promise<Learned> {
  const columns = { ...task.columns, users: unpackIds(task.columns.users), items: unpackIds(task.columns.items) }
  const champion: Champion | null = task.champion && {
    version: task.champion.version,
    recordedNdcg: task.champion.recordedNdcg,
    model: decodeModel(task.champion.encoded as Uint8Array<ArrayBuffer>),
  }
  const result = await learn(
    { ...task.settings, columns, champion },
    {
      // The main thread ends this one when the run is to stop.
      signal: new AbortController().signal,
      onProgress: (progress) => send({ kind: 'progress', progress }),
      onSearchState: (state) => send({ kind: 'search', state }),
    },
  )
  const encodedModel = encodeModel(result.model)
  const readBack = decodeModel(encodedModel)
  invariant(readBack.itemIds.length === result.model.itemIds.length, 'an encoded model reads back whole')
  return {
    encodedModel,
    evaluation: new TextEncoder().encode(JSON.stringify(result.evaluation)),
    recipe: result.recipe,
    verdict: result.verdict,
    metrics: result.metrics,
    users: result.model.users,
    items: result.model.itemIds.length,
  }
}
