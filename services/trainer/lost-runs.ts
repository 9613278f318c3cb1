import { TOPICS } from '../../streams/topics.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import type { Outages } from '../runtime/outages.ts'
import { repeatedly } from '../runtime/tasks.ts'

/** Group that works on topic `training`. */
export const TRAINER_GROUP = 'trainer'
const CHECK_MS = 60_000
/** A run is created a moment before its request is appended. */
const APPEND_MS_MAX = 60_000
const RUNS_LOOKED_AT = 100

/**
 * Fails runs that wait for nothing: the log has no request left that a trainer would still read, so retention removed
 * theirs. Otherwise such a run would wait for ever, and the schedule with it.
 */
export async function failLostRuns(
  context: ServiceContext,
  { log, modelRegistry }: BackendsOf<'trainer'>,
  signal: AbortSignal,
): Promise<void> {
  const isOpen = ({ state }: { readonly state: string }) => state === 'queued' || state === 'running'
  const runs = await modelRegistry.listRuns({ limit: RUNS_LOOKED_AT, signal })
  const open = runs.filter((run) => isOpen(run) && run.createdAt < context.now() - APPEND_MS_MAX)
  if (open.length === 0) return
  const committed = await log.committed(TRAINER_GROUP, TOPICS.training, { signal })
  const ends = await log.offsets(TOPICS.training, { signal })
  const isRead = ends.every(
    ({ partition, startOffset, endOffset }) => Math.max(committed[partition] ?? 0, startOffset) >= endOffset,
  )
  if (!isRead) return
  for (const { runId } of open) {
    // Read again: whoever worked on it may have ended between the two looks, and committed after that.
    const run = await modelRegistry.getRun(runId, { signal })
    if (run === null || !isOpen(run)) continue
    const message =
      'its request is no longer in the log, whose retention removed it before a trainer came by; ask again'
    await modelRegistry.updateRun(runId, { state: 'failed', message, finishedAt: context.now() }, { signal })
    context.logger.error({ runId }, `training run failed: ${message}`)
  }
}

/** Looks every minute until `signal` aborts. */
export async function watchLostRuns(
  context: ServiceContext,
  backends: BackendsOf<'trainer'>,
  outages: Outages,
  signal: AbortSignal,
): Promise<void> {
  const look = async () => {
    try {
      await failLostRuns(context, backends, signal)
    } catch (error) {
      if (!signal.aborted) outages.failed(error, 'runs without a request are not looked for')
    }
  }
  await repeatedly(CHECK_MS, look, signal)
}
