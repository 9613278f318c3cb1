import { isMillraceError } from '../../schemas/errors.ts'
import type { ModelVersion, TrainingRun } from '../../stores/model-registry/port.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import { learnInThread } from './learning-thread.ts'
import { promoteIfAccepted, register, registeredBefore } from './outcome.ts'
import { createRunProgress } from './run-progress.ts'
import { createSearchSaver, readSavedSearch, searchKey } from './saved-search.ts'
import type { TrainerMetrics } from './trainer-metrics.ts'
import { readWindow } from './window.ts'

/** Attempts at one run, those of earlier processes included. */
export const ATTEMPTS_MAX = 3
/** Trying again changes nothing about these. */
const FINAL_ERRORS = ['INVALID_MATRIX', 'INVALID_PARAMETERS', 'TOO_LARGE_FOR_MEMORY'] as const

export interface TrainerParts {
  readonly context: ServiceContext
  readonly backends: BackendsOf<'trainer'>
  readonly metrics: TrainerMetrics
  readonly codeVersion: string
  /** Waits between attempts; resolves early when the signal aborts. */
  readonly wait: (attempt: number, signal: AbortSignal) => Promise<void>
}

/**
 * Works on a run until it is finished, rejected or failed. Failing attempts are repeated with exponential back-off, three
 * in all; a run that a crash interrupted is taken up again: trials that it had finished are not fitted again, and what it
 * had registered is not trained twice. A stop in good order gives the attempt back.
 * @throws when the signal aborts (the request is then delivered again) or the registry cannot be reached
 */
export async function workOnRun(runId: string, parts: TrainerParts, signal: AbortSignal): Promise<void> {
  const { logger } = parts.context
  for (;;) {
    const run = await parts.backends.modelRegistry.getRun(runId, { signal })
    if (run === null) {
      parts.metrics.runs.inc({ state: 'unknown' })
      return logger.warn({ runId }, 'a training request names a run that the registry does not have; skipped')
    }
    if (run.state !== 'queued' && run.state !== 'running') return
    if (run.attempts >= ATTEMPTS_MAX)
      return await fail(run, `given up after ${run.attempts} attempts: ${run.message}`, parts)
    try {
      return await attempt(run, parts, signal)
    } catch (error) {
      if (signal.aborted) {
        await giveBack(run, parts)
        throw error
      }
      await afterFailure({ ...run, attempts: run.attempts + 1 }, error, parts, signal)
    }
  }
}

async function attempt(run: TrainingRun, parts: TrainerParts, signal: AbortSignal): Promise<void> {
  const { context, backends, metrics } = parts
  const { runId } = run
  const startedAt = context.now()
  const attempts = run.attempts + 1
  await backends.modelRegistry.updateRun(
    runId,
    { state: 'running', attempts, startedAt: run.startedAt ?? startedAt, progress: 0, message: 'reading events' },
    { signal },
  )
  context.logger.info({ runId, attempt: attempts }, 'training run started')
  const earlier = await registeredBefore(run, backends, signal)
  const version = earlier ?? (await train(run, parts, signal))
  const current = await backends.modelRegistry.getRun(runId, { signal })
  const expected = current?.lineage.champion || null
  await finish(run, version, expected, parts, signal)
  metrics.duration.observe((context.now() - startedAt) / 1_000)
}

async function train(run: TrainingRun, parts: TrainerParts, signal: AbortSignal): Promise<ModelVersion> {
  const { context, backends } = parts
  const { runId } = run
  const saved = await readSavedSearch(runId, backends.artifacts, signal)
  const window = { codeVersion: parts.codeVersion, saved }
  const { task, lineage, positions } = await readWindow(run, context, backends, window, signal)
  await backends.modelRegistry.updateRun(runId, { lineage }, { signal })
  const progress = createRunProgress(backends.modelRegistry, runId, {
    now: () => context.now(),
    signal,
    onFailure: (error) => context.logger.warn({ err: error, runId }, 'progress of a training run could not be noted'),
  })
  const search = createSearchSaver(runId, positions, backends.artifacts, {
    signal,
    onFailure: (error) => context.logger.warn({ err: error, runId }, 'the search of a training run could not be saved'),
  })
  try {
    const learned = await learnInThread(task, { signal, onProgress: progress.report, onSearchState: search.save })
    await progress.stop()
    return await register(runId, learned, backends, { now: context.now(), signal })
  } finally {
    await Promise.all([progress.stop(), search.stop()])
  }
}

async function finish(
  run: TrainingRun,
  version: ModelVersion,
  expected: string | null,
  parts: TrainerParts,
  signal: AbortSignal,
): Promise<void> {
  const { context, backends, metrics } = parts
  const { runId } = run
  const { recipe, metrics: measured, version: modelVersion } = version
  await backends.modelRegistry.updateRun(runId, { recipe, metrics: measured, modelVersion }, { signal })
  const gate = await promoteIfAccepted(version, expected, backends, { now: context.now(), signal })
  const state = gate.accepted ? 'finished' : 'rejected'
  const message = gate.accepted
    ? `model ${modelVersion} serves`
    : `model ${modelVersion} is registered but does not serve: ${gate.reasons[0] ?? 'rejected'}`
  const finishedAt = context.now()
  await dropSavedSearch(runId, parts, signal)
  await backends.modelRegistry.updateRun(runId, { state, gate, message, progress: 1, finishedAt }, { signal })
  metrics.runs.inc({ state })
  context.logger.info({ runId, state, modelVersion, reasons: gate.reasons }, `training run ${state}: ${message}`)
}

async function afterFailure(run: TrainingRun, error: unknown, parts: TrainerParts, signal: AbortSignal): Promise<void> {
  const reason = error instanceof Error ? error.message : String(error)
  const final = FINAL_ERRORS.some((code) => isMillraceError(error, code))
  if (final || run.attempts >= ATTEMPTS_MAX) {
    const tries = run.attempts === 1 ? '' : ` (attempt ${run.attempts} of ${ATTEMPTS_MAX})`
    return await fail(run, `${reason}${tries}`, parts)
  }
  parts.context.logger.warn(
    { err: error, runId: run.runId, attempt: run.attempts },
    'training attempt failed; trying again',
  )
  const message = `attempt ${run.attempts} of ${ATTEMPTS_MAX} failed: ${reason}`
  await parts.backends.modelRegistry.updateRun(run.runId, { message }, { signal })
  await parts.wait(run.attempts, signal)
}

async function fail(run: TrainingRun, message: string, parts: TrainerParts): Promise<void> {
  const { context, backends, metrics } = parts
  const { signal } = new AbortController()
  const finishedAt = context.now()
  await backends.modelRegistry.updateRun(run.runId, { state: 'failed', message, finishedAt }, { signal })
  await dropSavedSearch(run.runId, parts, signal)
  metrics.runs.inc({ state: 'failed' })
  context.logger.error({ runId: run.runId, attempts: run.attempts }, `training run failed: ${message}`)
}

/** What stays behind is small and looked at by nobody: no reason to fail. */
async function dropSavedSearch(runId: string, { context, backends }: TrainerParts, signal: AbortSignal): Promise<void> {
  await backends.artifacts.remove(searchKey(runId), { signal }).catch((error: unknown) => {
    context.logger.warn({ err: error, runId }, 'the saved search of a run that has ended could not be removed')
  })
}

/** A stop in good order is nobody's failure: the run waits again with the attempts it had. */
async function giveBack(run: TrainingRun, { backends }: TrainerParts): Promise<void> {
  const { signal } = new AbortController()
  const { attempts } = run
  const message = 'interrupted by a stop; continues after the restart'
  await backends.modelRegistry.updateRun(run.runId, { state: 'queued', attempts, message }, { signal })
}
