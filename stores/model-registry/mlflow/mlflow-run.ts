import { randomUUID } from 'node:crypto'
import type { MlflowClient } from './client.ts'
import { createOnce } from './create-once.ts'
import type { Tag } from './values.ts'

/** A run as MLflow tells it. */
export interface MlflowRun {
  readonly info: {
    readonly run_id: string
    readonly artifact_uri: string
    readonly start_time?: number
    readonly lifecycle_stage: string
  }
  readonly data: {
    readonly tags?: readonly { key: string; value?: string }[]
    readonly params?: readonly { key: string; value?: string }[]
  }
}

/** Which of our runs it is: a training run, or a piece of the ledger of alias changes. */
export const KIND_TAG = 'millrace.kind'
const CREATION_TAG = 'millrace.creation'

export async function newMlflowRun(
  client: MlflowClient,
  run: { experimentId: string; name: string; kind: 'training' | 'changes'; startTime: number; tags?: readonly Tag[] },
  signal: AbortSignal,
): Promise<MlflowRun> {
  const creation = randomUUID()
  const tags = [{ key: KIND_TAG, value: run.kind }, { key: CREATION_TAG, value: creation }, ...(run.tags ?? [])]
  const body = { experiment_id: run.experimentId, run_name: run.name, start_time: run.startTime, tags }
  return await createOnce(
    async () => {
      const request = { method: 'POST', path: 'runs/create', body, repeatable: false } as const
      const made = await client.call<{ run: MlflowRun }>(`creating run ${run.name}`, request, signal)
      return (made as { run: MlflowRun }).run
    },
    async () =>
      (
        await searchRuns(client, { experimentId: run.experimentId, tag: [CREATION_TAG, creation], limit: 1 }, signal)
      )[0] ?? null,
  )
}

/** Deleted runs included; null for what MLflow does not know. */
export async function readMlflowRun(
  client: MlflowClient,
  runId: string,
  signal: AbortSignal,
): Promise<MlflowRun | null> {
  const request = { method: 'GET', path: 'runs/get', query: { run_id: runId } } as const
  const found = await client.call<{ run: MlflowRun }>(
    `reading MLflow run ${runId}`,
    { ...request, refusals: ['RESOURCE_DOES_NOT_EXIST'] },
    signal,
  )
  return found?.run ?? null
}

/** Those that carry the tag, newest or oldest first; the value must hold no quotes. */
export async function searchRuns(
  client: MlflowClient,
  search: { experimentId: string; tag: readonly [string, string]; limit: number; oldestFirst?: boolean },
  signal: AbortSignal,
): Promise<readonly MlflowRun[]> {
  const body = {
    experiment_ids: [search.experimentId],
    filter: `tags.\`${search.tag[0]}\` = '${search.tag[1]}'`,
    max_results: search.limit,
    order_by: [`attributes.start_time ${search.oldestFirst ? 'ASC' : 'DESC'}`],
  }
  const found = await client.call<{ runs?: MlflowRun[] }>(
    'searching runs',
    { method: 'POST', path: 'runs/search', body },
    signal,
  )
  return found?.runs ?? []
}
