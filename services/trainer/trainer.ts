import { setTimeout as sleep } from 'node:timers/promises'
import packageDescription from '../../package.json' with { type: 'json' }
import type { Codecs } from '../../streams/codec/port.ts'
import { consumeReliably } from '../../streams/consume.ts'
import type { LogRecord } from '../../streams/event-log/port.ts'
import { TOPICS } from '../../streams/topics.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import { createOutages } from '../runtime/outages.ts'
import { TRAINER_GROUP, watchLostRuns } from './lost-runs.ts'
import { scheduleTraining } from './schedule.ts'
import { createTrainerMetrics } from './trainer-metrics.ts'
import { type TrainerParts, workOnRun } from './training-run.ts'

const HEARTBEAT_INTERVAL_MS = 2_000
const REJOIN = { attemptsMax: 5, delayMs: 500, delayMaxMs: 15_000 }
const RETRY_DELAY_MS = 2_000

/**
 * Works on training requests until `signal` aborts: topic `training` as group `trainer`; the topic has one partition, so
 * one run is under way at a time. Also asks for runs by schedule. Learning happens in threads of its own.
 * `retryDelayMs` is the wait before a run's second attempt, doubled for the third.
 */
export async function runTrainer(
  context: ServiceContext,
  backends: BackendsOf<'trainer'>,
  parts: { readonly codecs: Codecs; readonly retryDelayMs?: number },
  signal: AbortSignal,
): Promise<void> {
  const { logger } = context
  const outages = createOutages(context)
  const metrics = createTrainerMetrics(context.metrics, backends.modelRegistry, signal, (error) =>
    outages.failed(error, 'the champion could not be read for the metrics'),
  )
  const retryDelayMs = parts.retryDelayMs ?? RETRY_DELAY_MS
  const runParts: TrainerParts = {
    ...{ context, backends, metrics },
    codeVersion: packageDescription.version,
    wait: (attempt, stop) => delay(retryDelayMs * 2 ** (attempt - 1), stop),
  }
  using _schedule = scheduleTraining(context, backends, parts.codecs, signal)
  const watching = watchLostRuns(context, backends, outages, signal)
  await consumeReliably(
    backends.log,
    {
      group: TRAINER_GROUP,
      topics: [TOPICS.training],
      batchRecordsMax: 1,
      signal,
      retry: REJOIN,
      onFailure: (error) => {
        if (!signal.aborted) outages.failed(error, 'the trainer cannot work on a request and tries again')
      },
    },
    {
      async onBatch(batch, control) {
        for (const record of batch.records) {
          const runId = await readRequest(record, parts.codecs)
          if (runId === null) {
            metrics.runs.inc({ state: 'unreadable' })
            logger.error({ partition: record.partition, offset: record.offset }, 'unreadable training request; skipped')
            continue
          }
          const stop = AbortSignal.any([signal, control.signal])
          await withHeartbeats(control.heartbeat, () => workOnRun(runId, runParts, stop))
        }
        outages.passed()
      },
    },
  )
  await watching
}

async function readRequest({ value }: LogRecord, codecs: Codecs): Promise<string | null> {
  if (value === null) return null
  await codecs.prepare([value])
  try {
    return codecs.trainingRequest.decode(value).runId
  } catch {
    return null
  }
}

/** A run takes longer than a group waits for a silent member. A heartbeat that fails ends through the batch's signal. */
async function withHeartbeats(heartbeat: () => Promise<void>, work: () => Promise<void>): Promise<void> {
  const timer = setInterval(() => void heartbeat().catch(() => {}), HEARTBEAT_INTERVAL_MS)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
}

async function delay(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
