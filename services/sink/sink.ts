import type { StoredEvent } from '../../schemas/interaction.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import { consumeReliably } from '../../streams/consume.ts'
import { createDeadLetters, type DeadLetters } from '../../streams/dead-letters.ts'
import type { LogBatch, LogRecord } from '../../streams/event-log/port.ts'
import { type Rejection, readInteraction } from '../../streams/interactions.ts'
import { TOPICS } from '../../streams/topics.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import { withGrace } from '../runtime/grace.ts'
import { createOutages } from '../runtime/outages.ts'
import { recordsLostBefore } from '../runtime/retention-loss.ts'
import { Inserter } from './inserter.ts'
import { type SinkMetrics, sinkMetrics } from './metrics.ts'

export const SINK_GROUP = 'sink'
const BATCH_RECORDS_MAX = 5_000
/** The event store is better served with few inserts, and nobody waits for it within a fraction of a second. */
const GATHER_MS = 500
const RETRY = { attemptsMax: 5, delayMs: 100, delayMaxMs: 5_000 }

interface SinkWork {
  readonly context: ServiceContext
  readonly codecs: Codecs
  readonly inserter: Inserter
  readonly deadLetters: DeadLetters
  readonly metrics: SinkMetrics
}

/**
 * Writes the log's interactions to the event store until `signal` aborts: every event once in effect, as the store keeps
 * the first delivery of an identity. Starts at the group's committed offset; commits only after the insert is
 * acknowledged and every poison record of the batch rests in the dead letters. The insert comes first, so that a store
 * that is down does not send the same poison again with each try.
 */
export async function runSink(
  context: ServiceContext,
  backends: BackendsOf<'sink'>,
  parts: { readonly codecs: Codecs },
  signal: AbortSignal,
): Promise<void> {
  const metrics = sinkMetrics(context.metrics)
  const work: SinkWork = {
    context,
    codecs: parts.codecs,
    inserter: new Inserter(backends.eventStore, metrics, () => context.now()),
    deadLetters: createDeadLetters(backends.log),
    metrics,
  }
  const outages = createOutages(context)
  const options = {
    group: SINK_GROUP,
    topics: [TOPICS.interactions],
    batchRecordsMax: BATCH_RECORDS_MAX,
    gatherMs: GATHER_MS,
    retry: RETRY,
    signal,
    onFailure(error: unknown) {
      outages.failed(error, 'the sink commits nothing and tries again')
    },
  }
  /** Next offset by partition, as committed. */
  const next = new Map<string, number>()
  await consumeReliably(backends.log, options, {
    async onAssigned(assigned) {
      for (const { topic, partition, committedOffset } of assigned) {
        if (committedOffset === null) next.delete(`${topic}/${partition}`)
        else next.set(`${topic}/${partition}`, committedOffset)
      }
      return new Map()
    },
    async onBatch(batch, control) {
      using grace = withGrace(control.signal)
      const place = `${batch.topic}/${batch.partition}`
      const lost = await recordsLostBefore(batch, next.get(place), backends.log, grace.signal)
      await storeBatch(batch, work, { heartbeat: () => control.heartbeat(), signal: grace.signal })
      outages.passed()
      if (lost > 0) tellLoss(batch, lost, work)
      next.set(place, (batch.records.at(-1)?.offset ?? 0) + 1)
    },
  })
}

/** Nothing can bring them back: an operator must know, and give the log more time or space. */
function tellLoss({ topic, partition }: LogBatch, lost: number, { context, metrics }: SinkWork): void {
  metrics.recordsLost.inc(lost)
  context.logger.error(
    { topic, partition, lost },
    `${lost} records of ${topic}/${partition} are lost: the log's retention removed them before the sink had read them; raise LOG_RETENTION_HOURS or LOG_RETENTION_BYTES`,
  )
}

async function storeBatch(
  batch: LogBatch,
  work: SinkWork,
  { heartbeat, signal }: { heartbeat(): Promise<void>; signal: AbortSignal },
): Promise<void> {
  const { events, poison } = await readBatch(batch, work)
  await heartbeat()
  if (events.length > 0) await work.inserter.insert(events, signal)
  for (const { record, rejected } of poison) {
    await work.deadLetters.send(record, rejected, signal)
    work.metrics.deadLetters.inc({ topic: record.topic, code: rejected.code })
    await heartbeat()
  }
}

/** Judged at the record's append time, as in the updater, so that both say the same however far apart they run. */
async function readBatch(
  batch: LogBatch,
  { context, codecs }: SinkWork,
): Promise<{ events: StoredEvent[]; poison: { record: LogRecord; rejected: Rejection }[] }> {
  await codecs.prepare(batch.records.map((record) => record.value))
  const { eventWeights } = context
  const events: StoredEvent[] = []
  const poison: { record: LogRecord; rejected: Rejection }[] = []
  for (const record of batch.records) {
    const read = readInteraction(record, codecs, { eventWeights, now: record.appendedAt })
    if ('event' in read) events.push(read.event)
    else poison.push({ record, rejected: read.rejected })
  }
  return { events, poison }
}
