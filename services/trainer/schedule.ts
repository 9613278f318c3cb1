import { Cron } from 'croner'
import { MillraceError } from '../../schemas/errors.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import { requestTraining, type TrainingRequestCodec } from '../runtime/training-request.ts'

/** Newest runs looked at to tell whether one is still waiting. */
const RUNS_LOOKED_AT = 20

/**
 * Requests a run with default parameters at every time of TRAIN_SCHEDULE (cron, UTC; seconds optional), through the log
 * like everyone else. A time is passed over while a run still waits in the queue, so that slow runs do not pile up.
 * "never" switches it off.
 * @throws MillraceError CONFIG_INVALID for an expression that is none
 */
export function scheduleTraining(
  context: ServiceContext,
  backends: BackendsOf<'trainer'>,
  codecs: TrainingRequestCodec,
  signal: AbortSignal,
): Disposable {
  const expression = context.settings.TRAIN_SCHEDULE
  if (expression === 'never') return { [Symbol.dispose]() {} }
  const onFailure = (error: unknown) =>
    context.logger.error({ err: error }, 'the scheduled training run could not be requested; the next time tries again')
  const request = async () => {
    const runs = await backends.modelRegistry.listRuns({ limit: RUNS_LOOKED_AT, signal })
    if (runs.some(({ state }) => state === 'queued')) {
      context.logger.info('scheduled training passed over: a run is still waiting')
      return
    }
    const { runId } = await requestTraining(backends, codecs, {}, context.now(), { signal })
    context.logger.info({ runId }, 'scheduled training run requested')
  }
  try {
    const job = new Cron(expression, { protect: true, timezone: 'UTC', catch: onFailure, unref: true }, request)
    return { [Symbol.dispose]: () => job.stop() }
  } catch (cause) {
    throw new MillraceError(
      'CONFIG_INVALID',
      `TRAIN_SCHEDULE "${expression}" is not a cron expression (${cause instanceof Error ? cause.message : cause}); write e.g. "0 3 * * *", or "never"`,
      { cause, field: 'TRAIN_SCHEDULE' },
    )
  }
}
