import { randomUUID } from 'node:crypto'
import type { TrainingParameters } from '../../schemas/training.ts'
import type { TrainingRun } from '../../stores/model-registry/port.ts'
import { TOPICS } from '../../streams/topics.ts'
import type { Backends } from './context.ts'

/** The part of `Codecs` that a request needs. */
export interface TrainingRequestCodec {
  readonly trainingRequest: { encode(value: { runId: string }): Uint8Array }
}

/**
 * Asks for a training run: creates it in the registry as `queued`, then appends its id to topic `training`, so that
 * whoever trains finds the run. When the append fails, the run is marked `failed` and the append's error is thrown:
 * a run that says `queued` is in the log.
 * `now` is epoch milliseconds; `runId` is a new one unless given.
 * @throws MillraceError REGISTRY_UNAVAILABLE, LOG_UNAVAILABLE, OVERLOADED, DISK_FULL
 */
export async function requestTraining(
  backends: Pick<Backends, 'log' | 'modelRegistry'>,
  codecs: TrainingRequestCodec,
  parameters: TrainingParameters,
  now: number,
  options: { readonly runId?: string; readonly signal?: AbortSignal } = {},
): Promise<TrainingRun> {
  const runId = options.runId ?? randomUUID()
  const signal = options.signal ?? new AbortController().signal
  const run = await backends.modelRegistry.createRun({ runId, modelType: 'als', parameters }, { now, signal })
  try {
    const value = codecs.trainingRequest.encode({ runId })
    await backends.log.append(TOPICS.training, [{ key: runId, value }], { signal })
  } catch (error) {
    const message = `the request could not be written to the log: ${error instanceof Error ? error.message : error}`
    await backends.modelRegistry.updateRun(
      runId,
      { state: 'failed', message, finishedAt: now },
      { signal: new AbortController().signal },
    )
    throw error
  }
  return run
}
