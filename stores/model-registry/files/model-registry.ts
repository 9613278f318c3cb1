import { join } from 'node:path'
import { openEmbeddedFolder } from '../../../schemas/embedded-folder.ts'
import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import type { ModelRegistry, ModelVersion, TrainingRun } from '../port.ts'
import { queuedRun } from '../queued-run.ts'
import { createTurns } from '../turns.ts'
import { createAliases } from './aliases.ts'
import { type Documents, openDocuments } from './documents.ts'
import { removeUnfinished } from './json-file.ts'

const VERSION = 1

/** A registry of JSON files: one per run, one per model version, and one for the aliases with their history. */
export async function openFileModelRegistry(folder: string): Promise<ModelRegistry> {
  await using opening = new AsyncDisposableStack()
  const { path } = opening.use(await openEmbeddedFolder(folder, { kind: 'model-registry', version: VERSION }))
  const { runs, versions } = await mapped('opening the registry', null, () => openFiles(path))
  const aliases = createAliases(join(path, 'aliases.json'))
  const opened = opening.move()
  const inTurn = createTurns()

  const reading = <T>(what: string, signal: AbortSignal, work: () => Promise<T>) =>
    mapped(what, signal, () => {
      if (opened.disposed) throw new MillraceError('REGISTRY_UNAVAILABLE', `${what}: the registry is closed`)
      return work()
    })
  const changing = <T>(what: string, signal: AbortSignal, work: () => Promise<T>) =>
    inTurn(what, () => reading(what, signal, work))

  function requireVersion(version: string): void {
    if (!versions.has(version))
      throw new MillraceError('MODEL_NOT_FOUND', `model version ${version} is not registered`, { field: 'version' })
  }

  return {
    createRun: (run, { now, signal }) =>
      changing(`creating run ${run.runId}`, signal, async () => {
        if (runs.has(run.runId)) throw new MillraceError('CONFLICT', `run ${run.runId} exists already`)
        const created = queuedRun(run, now)
        await runs.create(run.runId, created)
        return created
      }),
    getRun: (runId, { signal }) => reading(`reading run ${runId}`, signal, () => runs.read(runId)),
    listRuns: ({ limit, signal }) => reading('listing runs', signal, () => runs.newest(limit)),
    updateRun: (runId, patch, { signal }) =>
      changing(`updating run ${runId}`, signal, async () => {
        const found = await runs.read(runId)
        if (found === null) throw new MillraceError('RUN_NOT_FOUND', `run ${runId} is not known`, { field: 'runId' })
        const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))
        const { modelType, createdAt } = found
        const updated: TrainingRun = { ...found, ...given, runId, modelType, createdAt }
        await runs.replace(runId, updated)
        return updated
      }),
    registerVersion: (version, { now, signal }) =>
      changing('registering a model version', signal, async () => {
        const registered: ModelVersion = { ...version, version: String(versions.next()), createdAt: now }
        await versions.create(registered.version, registered)
        return registered
      }),
    getVersion: (version, { signal }) =>
      reading(`reading model version ${version}`, signal, () => versions.read(version)),
    listVersions: ({ limit, signal }) => reading('listing model versions', signal, () => versions.newest(limit)),
    alias: (alias, { signal }) => reading(`reading alias ${alias}`, signal, () => aliases.read(alias)),
    promote: (version, { signal, ...change }) =>
      changing(`promoting version ${version}`, signal, async () => {
        requireVersion(version)
        return await aliases.promote(version, change)
      }),
    rollback: ({ signal, ...change }) => changing('rolling back', signal, () => aliases.rollback(change)),
    setChallenger: (version, { signal, ...change }) =>
      changing('setting the challenger', signal, async () => {
        if (version !== null) requireVersion(version)
        return await aliases.setChallenger(version, change)
      }),
    history: ({ limit, signal }) => reading('reading the history', signal, () => aliases.history(limit)),
    async [Symbol.asyncDispose]() {
      await inTurn.idle()
      await opened.disposeAsync()
    },
  }
}

async function openFiles(path: string): Promise<{ runs: Documents<TrainingRun>; versions: Documents<ModelVersion> }> {
  await removeUnfinished(path)
  const runs = await openDocuments<TrainingRun>(join(path, 'runs'), ['runId', 'state', 'parameters', 'metrics'])
  const required = ['version', 'runId', 'artifactKey', 'recipe', 'metrics'] as const
  return { runs, versions: await openDocuments<ModelVersion>(join(path, 'versions'), required) }
}

async function mapped<T>(what: string, signal: AbortSignal | null, work: () => Promise<T>): Promise<T> {
  try {
    signal?.throwIfAborted()
    return await work()
  } catch (error) {
    if (isMillraceError(error)) throw error
    if (signal?.aborted) throw new MillraceError('ABORTED', `${what} was aborted`, { cause: error })
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined) throw error
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new MillraceError('DISK_FULL', `${what}: no space left; free some and repeat it`, { cause: error })
    throw new MillraceError('REGISTRY_UNAVAILABLE', `${what} failed (${code}); it may be repeated`, { cause: error })
  }
}
