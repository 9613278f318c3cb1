import { isMillraceError, MillraceError } from '../../schemas/errors.ts'
import type { StoredEvent } from '../../schemas/interaction.ts'
import { fallenBelow } from '../../stores/user-state/fallen.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import { consumeReliably, type RetryPolicy } from '../../streams/consume.ts'
import type { GroupHandler, LogBatch, LogRecord } from '../../streams/event-log/port.ts'
import { readInteraction } from '../../streams/interactions.ts'
import { TOPICS } from '../../streams/topics.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import { withGrace } from '../runtime/grace.ts'
import { createOutages } from '../runtime/outages.ts'
import { recordsLostBefore } from '../runtime/retention-loss.ts'
import type { ServingModels } from '../runtime/serving-model.ts'
import { repeatedly } from '../runtime/tasks.ts'
import { applyEvents } from './apply-events.ts'
import { type UpdaterMetrics, updaterMetrics } from './metrics.ts'
import { createRounds } from './rounds.ts'
import { historyRules } from './rules.ts'
import { startingOffsets } from './starting-offsets.ts'

export const UPDATER_GROUP = 'updater'
const BATCH_RECORDS_MAX = 5_000
/** How soon a state that was emptied, or has lost its newest writes, is noticed while no event comes. */
const EMPTIED_CHECK_MS = 2_000
const RETRY = { attemptsMax: 5, delayMs: 100, delayMaxMs: 5_000 }
/** Behind by more than this, the updater stores no factors and the edge solves on read. */
const SOLVE_LAG_MAX_MS = 1_000

export interface UpdaterParts {
  readonly codecs: Codecs
  readonly models: ServingModels
  /** How failing batches are tried again; tests are less patient. */
  readonly retry?: RetryPolicy
}

/**
 * Folds the log's interactions into user state until `signal` aborts: every event counts exactly once in effect. The
 * order within a round is users, then `applied`, then the group's commit; a crash between any two of them only makes
 * records come again, which a user's own applied offsets and remembered event ids turn into nothing. Poison records are
 * counted and passed over here: the sink, which sees every record too, writes them to the dead letters. A state that was
 * emptied is rebuilt at the next assignment, which is asked for as soon as that is noticed.
 */
export async function runUpdater(
  context: ServiceContext,
  backends: BackendsOf<'updater'>,
  parts: UpdaterParts,
  signal: AbortSignal,
): Promise<void> {
  const metrics = updaterMetrics(context.metrics)
  const outages = createOutages(context)
  const options = {
    group: UPDATER_GROUP,
    topics: [TOPICS.interactions],
    batchRecordsMax: BATCH_RECORDS_MAX,
    retry: parts.retry ?? RETRY,
    onFailure(error: unknown) {
      outages.failed(error, 'the updater commits nothing and tries again')
    },
  }
  /** `applied` as this updater left it: anything lower is a state that was emptied behind its back. */
  const held = new Map<string, number>()
  /** Next offset to read by partition. */
  const next = new Map<string, number>()
  let generation: number | null = null
  /** Partitions share a round, so that the state is asked once for all that have something new. */
  const apply = createRounds<Work>(
    async (works) => {
      // An assignment ends for all of its partitions at once: the first signal is everybody's.
      const [first] = works as [Work, ...Work[]]
      using grace = withGrace(first.control.signal)
      const control = { heartbeat: first.control.heartbeat, signal: grace.signal, held, generation: generation ?? 0 }
      await update(
        works.map(({ batch }) => batch),
        control,
        context,
        backends,
        parts,
        metrics,
      )
    },
    { sizeOf: ({ batch }) => batch.records.length, sizeMax: BATCH_RECORDS_MAX },
  )
  const handler: GroupHandler = {
    async onAssigned(assigned, assignedSignal) {
      generation = null
      const found = await startingOffsets(assigned, context, backends, assignedSignal)
      const { starts, applied } = found
      generation = found.generation
      for (const [name, start] of starts) {
        held.set(name, applied.get(name) ?? 0)
        next.set(name, start)
      }
      return starts
    },
    async onRevoked(revoked) {
      for (const partition of revoked) held.delete(placeOf(partition))
    },
    async onBatch(batch, control) {
      const place = placeOf(batch)
      await refuseLoss(batch, next.get(place), backends.log, control.signal)
      await apply({ batch, control })
      outages.passed()
      next.set(place, endOf(batch))
    },
  }
  while (!signal.aborted) {
    generation = null
    const isLost = async (round: AbortSignal) =>
      generation !== null && (await hasLost(backends.userState, { generation, held }, round))
    await consumeUntil(isLost, signal, (round) => consumeReliably(backends.log, { ...options, signal: round }, handler))
  }
}

/** Consumes until `isLost` or the signal aborts: while no event comes, nothing else would tell. */
async function consumeUntil(
  isLost: (round: AbortSignal) => Promise<boolean>,
  signal: AbortSignal,
  consume: (round: AbortSignal) => Promise<void>,
): Promise<void> {
  const lost = new AbortController()
  const round = AbortSignal.any([signal, lost.signal])
  const look = async () => {
    if (await isLost(round)) lost.abort()
  }
  const watching = repeatedly(EMPTIED_CHECK_MS, look, round)
  try {
    await consume(round)
  } finally {
    lost.abort()
    await watching
  }
}

/** An answer that does not come is no answer: the next batch tells of the outage. */
async function hasLost(
  userState: BackendsOf<'updater'>['userState'],
  { generation, held }: { readonly generation: number; readonly held: ReadonlyMap<string, number> },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if ((await userState.generation({ signal })) !== generation) return true
    const atLeast = new Map(held)
    return fallenBelow(atLeast, await userState.applied({ signal })) !== null
  } catch (error) {
    if (isMillraceError(error) || signal.aborted) return false
    throw error
  }
}

/** A batch of one partition, and how it is worked on. */
interface Work {
  readonly batch: LogBatch
  readonly control: Parameters<GroupHandler['onBatch']>[1]
}

interface RoundControl {
  heartbeat(): Promise<void>
  readonly signal: AbortSignal
  readonly held: Map<string, number>
  readonly generation: number
}

async function update(
  batches: readonly LogBatch[],
  { heartbeat, signal, held, generation }: RoundControl,
  context: ServiceContext,
  { userState }: BackendsOf<'updater'>,
  { codecs, models }: UpdaterParts,
  metrics: UpdaterMetrics,
): Promise<void> {
  const atLeast = new Map(batches.map((batch) => [placeOf(batch), held.get(placeOf(batch)) ?? 0]))
  const records = batches.flatMap((batch) => batch.records)
  const { events, rejected } = await readEvents(records, codecs, context)
  const oldest = records.reduce((oldest, { appendedAt }) => Math.min(oldest, appendedAt), Infinity)
  const isBehind = context.now() - oldest > SOLVE_LAG_MAX_MS
  const result = await applyEvents(events, {
    ...{ userState, generation, atLeast, signal, heartbeat },
    rules: historyRules(context),
    model: userState.keepsFactors && !isBehind ? models.current() : null,
    freshnessMs: (appendedAt) => Math.max(0, context.now() - appendedAt),
    onConflict: (users) => metrics.conflicts.inc(users),
  })
  const ends = new Map(batches.map((batch) => [placeOf(batch), endOf(batch)]))
  await userState.setApplied(ends, { signal, generation, atLeast })
  for (const [place, end] of ends) held.set(place, Math.max(held.get(place) ?? 0, end))
  metrics.events.inc({ result: 'applied' }, result.applied)
  metrics.events.inc({ result: 'duplicate' }, result.duplicates)
  metrics.events.inc({ result: 'dead_letter' }, rejected)
  const now = context.now()
  for (const appendedAt of result.appliedAt) metrics.freshness.observe(Math.max(0, now - appendedAt) / 1_000)
}

/** Judged at the record's append time, as in the sink, so that both say the same however far apart they run. */
async function readEvents(
  records: readonly LogRecord[],
  codecs: Codecs,
  context: ServiceContext,
): Promise<{ events: readonly StoredEvent[]; rejected: number }> {
  await codecs.prepare(records.map((record) => record.value))
  const { eventWeights } = context
  const events: StoredEvent[] = []
  for (const record of records) {
    const read = readInteraction(record, codecs, { eventWeights, now: record.appendedAt })
    if ('event' in read) events.push(read.event)
  }
  return { events, rejected: records.length - events.length }
}

/** Records that left the log before they were applied are in the event store: the next assignment rebuilds from there. */
async function refuseLoss(
  batch: LogBatch,
  next: number | undefined,
  log: BackendsOf<'updater'>['log'],
  signal: AbortSignal,
): Promise<void> {
  const lost = await recordsLostBefore(batch, next, log, signal)
  if (lost === 0) return
  const what = `the log's retention removed ${lost} records of ${placeOf(batch)} before they were applied`
  throw new MillraceError('STATE_UNAVAILABLE', `${what}; user state is rebuilt at the next assignment`)
}

function placeOf({ topic, partition }: Pick<LogBatch, 'topic' | 'partition'>): string {
  return `${topic}/${partition}`
}

/** The offset after a batch. */
function endOf({ records }: LogBatch): number {
  return (records.at(-1)?.offset ?? -1) + 1
}
