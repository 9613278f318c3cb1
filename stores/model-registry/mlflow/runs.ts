import { createHash } from 'node:crypto'
import { MillraceError } from '../../../schemas/errors.ts'
import type { TrainingRun } from '../port.ts'
import type { MlflowClient } from './client.ts'
import { KIND_TAG, type MlflowRun, newMlflowRun, searchRuns } from './mlflow-run.ts'
import { fieldsFromTags, fieldsToTags, tagsOf } from './values.ts'
import type { Workspace } from './workspace.ts'

/** SHA-256 of the run id: what is searched for, whatever characters the id has. */
const ID_TAG = 'millrace.id'
const LIST_MAX = 1_000
const FIELDS = [
  ...(['runId', 'state', 'modelType', 'parameters', 'recipe', 'attempts', 'progress', 'message', 'metrics'] as const),
  ...(['gate', 'lineage', 'modelVersion', 'createdAt', 'startedAt', 'finishedAt'] as const),
] satisfies readonly (keyof TrainingRun)[]

const STATUS = {
  ...{ queued: 'SCHEDULED', running: 'RUNNING', finished: 'FINISHED', rejected: 'FINISHED', failed: 'FAILED' },
} as const satisfies Record<TrainingRun['state'], string>

/**
 * Training runs as MLflow runs. The truth is one tag per field, set together in one transaction, so that patches of
 * different fields do not touch each other. Parameters, metrics and status are written beside it, for MLflow's own pages
 * and searches; a parameter keeps its first value there, MLflow changes none.
 */
export interface Runs {
  create(run: TrainingRun, signal: AbortSignal): Promise<boolean>
  read(runId: string, signal: AbortSignal): Promise<{ readonly run: TrainingRun; readonly mlflowRunId: string } | null>
  update(runId: string, patch: Partial<TrainingRun>, signal: AbortSignal): Promise<TrainingRun | null>
  /** Newest first. */
  newest(limit: number, signal: AbortSignal): Promise<readonly TrainingRun[]>
}

export function createRuns(client: MlflowClient, { experimentId, values }: Workspace): Runs {
  /** Of two made at the same moment under one id, everybody takes the older. */
  async function find(runId: string, signal: AbortSignal): Promise<MlflowRun | null> {
    const tag = [ID_TAG, sha256(runId)] as const
    return (await searchRuns(client, { experimentId, tag, limit: 1, oldestFirst: true }, signal))[0] ?? null
  }

  const decode = (found: MlflowRun, signal: AbortSignal) =>
    fieldsFromTags<TrainingRun>(values, `run ${found.info.run_id}`, tagsOf(found.data.tags), FIELDS, signal)

  return {
    async create(run, signal) {
      if ((await find(run.runId, signal)) !== null) return false
      const training = { experimentId, tag: [KIND_TAG, 'training'] as const, limit: 1 }
      const last = (await searchRuns(client, training, signal))[0]?.info.start_time ?? 0
      const tags = [{ key: ID_TAG, value: sha256(run.runId) }, ...(await fieldsToTags(values, run, signal))]
      // A start time of its own orders runs of the same millisecond, and of hosts whose clocks differ.
      const startTime = Math.max(run.createdAt, Number(last) + 1)
      const made = await newMlflowRun(
        client,
        { experimentId, name: run.runId.slice(0, 200) || '-', kind: 'training', startTime, tags },
        signal,
      )
      await show(client, made, run, run, signal)
      return true
    },
    async read(runId, signal) {
      const found = await find(runId, signal)
      return found && { run: await decode(found, signal), mlflowRunId: found.info.run_id }
    },
    async update(runId, patch, signal) {
      const found = await find(runId, signal)
      if (found === null) return null
      const updated: TrainingRun = { ...(await decode(found, signal)), ...patch }
      const tags = await fieldsToTags(values, patch, signal)
      const body = { run_id: found.info.run_id, tags }
      await client.call(`updating run ${runId}`, { method: 'POST', path: 'runs/log-batch', body }, signal)
      await show(client, found, updated, patch, signal)
      return updated
    },
    async newest(limit, signal) {
      if (limit <= 0) return []
      const tag = [KIND_TAG, 'training'] as const
      const found = await searchRuns(client, { experimentId, tag, limit: Math.min(LIST_MAX, limit) }, signal)
      const runs = new Map<string, TrainingRun>()
      for (const one of found) {
        const run = await decode(one, signal)
        runs.set(run.runId, run)
      }
      return [...runs.values()]
    },
  }
}

/** What MLflow's own pages show of a change. */
async function show(
  client: MlflowClient,
  found: MlflowRun,
  run: TrainingRun,
  patch: Partial<TrainingRun>,
  signal: AbortSignal,
): Promise<void> {
  const run_id = found.info.run_id
  const what = `updating run ${run.runId}`
  const shown = tagsOf(found.data.params)
  const params = Object.entries({ ...run.parameters, ...patch.recipe })
    .filter(([key]) => !shown.has(key))
    .map(([key, value]) => ({ key, value: String(value) }))
  const timestamp = run.finishedAt ?? run.startedAt ?? run.createdAt
  const metrics = Object.entries(patch.metrics ?? {}).map(([key, value]) => ({ key, value, timestamp, step: 0 }))
  if (params.length + metrics.length > 0) {
    const refusals = ['INVALID_PARAMETER_VALUE']
    await client.call(
      what,
      { method: 'POST', path: 'runs/log-batch', body: { run_id, params, metrics }, refusals },
      signal,
    )
  }
  if (patch.state === undefined && patch.finishedAt === undefined) return
  const ended = run.finishedAt === null ? {} : { end_time: run.finishedAt }
  const body = { run_id, status: STATUS[run.state], ...ended }
  await client.call(what, { method: 'POST', path: 'runs/update', body }, signal)
}

/** The fields of a patch that are given and may change. */
export function givenFields(runId: string, patch: Partial<TrainingRun>): Partial<TrainingRun> {
  const fixed = new Set<string>(['runId', 'modelType', 'createdAt'])
  const entries = Object.entries(patch).filter(([field, value]) => value !== undefined && !fixed.has(field))
  const unknown = entries.filter(([field]) => !(FIELDS as readonly string[]).includes(field))
  if (unknown.length === 0) return Object.fromEntries(entries)
  throw new MillraceError('INVALID_REQUEST', `run ${runId} has no field ${unknown.map(([field]) => field).join(', ')}`)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
