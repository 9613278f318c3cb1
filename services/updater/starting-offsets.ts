import { setTimeout as delay } from 'node:timers/promises'
import { historyRecipe } from '../../engine/history/history.ts'
import { MillraceError } from '../../schemas/errors.ts'
import type { AssignedPartition } from '../../streams/event-log/port.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import { REBUILDING } from '../runtime/state-recipe.ts'
import { applyEvents } from './apply-events.ts'
import { historyRules } from './rules.ts'

/** How far before `applied` reading starts again when the user state fell back behind the group's commits. */
const REWIND_MS = 60_000
const REBUILD_BATCH_EVENTS_MAX = 10_000

/** A rebuild without a sign of life for so long is taken over. */
const REBUILD_SILENCE_MAX_MS = 10_000
const REBUILD_POLL_MS = 100

type Positions = ReadonlyMap<string, number>

interface Start {
  readonly starts: Map<string, number>
  readonly generation: number
  readonly applied: Positions
}

/**
 * Where the updater starts on each assigned partition, after it has made sure that user state holds everything before.
 * - Histories of another recipe (or none yet), or a partition whose `applied` is gone although the group has committed
 *   or the log no longer reaches back to its beginning: everything is rebuilt from the event store.
 * - `applied` at or above the commit: there. Below (the state fell back after a power loss): 60 s of records before it.
 * The generation is the one of which all this is true: writes of this assignment name it, so that one who has not
 * noticed that the state was emptied cannot write into what others rebuild. `applied` is what the starts were chosen by: a
 * state that is found to have applied less has lost something since.
 * @throws MillraceError LOG_RESET when `applied` lies beyond the log's end.
 */
export async function startingOffsets(
  assigned: readonly AssignedPartition[],
  context: ServiceContext,
  backends: BackendsOf<'updater'>,
  signal: AbortSignal,
): Promise<Start> {
  const { userState, eventStore } = backends
  await waitForRebuild(context, backends, signal)
  const generation = await userState.generation({ signal })
  const applied = await userState.applied({ signal })
  const recipe = await userState.recipe({ signal })
  await refuseBeyondEnd(assigned, applied, backends, signal)
  const stored = await eventStore.positions({ signal })
  const reason =
    recipe !== historyRecipe(historyRules(context))
      ? 'histories have another recipe'
      : assigned.some((partition) => hasGap(partition, applied, stored))
        ? 'applied offsets are missing'
        : null
  if (reason !== null) {
    const rebuilt = await rebuild(assigned, { reason, generation }, context, backends, signal)
    return rebuilt ?? startingOffsets(assigned, context, backends, signal)
  }
  const starts = new Map<string, number>()
  for (const partition of assigned) {
    const position = applied.get(nameOf(partition))
    tellLoss(partition, position, context)
    starts.set(nameOf(partition), await startOf(partition, position, backends, signal))
  }
  const rewound = new Map([...starts].filter(([name, start]) => start < (applied.get(name) ?? 0)))
  if (rewound.size > 0) await userState.setApplied(rewound, { signal, generation, allowLower: true })
  return { starts: withSomethingToCommit(starts, assigned), generation, applied: new Map([...applied, ...rewound]) }
}

/**
 * Only batches commit. Where the state is ahead of the group's commit and nothing is left to read, the last record is
 * read again, which changes nothing: otherwise the group would seem to lag until the next event comes.
 */
function withSomethingToCommit(
  starts: ReadonlyMap<string, number>,
  assigned: readonly AssignedPartition[],
): Map<string, number> {
  const adjusted = new Map(starts)
  for (const partition of assigned) {
    const start = starts.get(nameOf(partition)) ?? 0
    const isAhead = start > (partition.committedOffset ?? partition.startOffset)
    if (isAhead && start >= partition.endOffset)
      adjusted.set(nameOf(partition), Math.max(start - 1, partition.startOffset))
  }
  return adjusted
}

/** true where records that the state has not applied can only be had from the event store. */
function hasGap(partition: AssignedPartition, applied: Positions, stored: Positions): boolean {
  const position = applied.get(nameOf(partition))
  if (position !== undefined) {
    return position < partition.startOffset && (stored.get(nameOf(partition)) ?? 0) > position
  }
  if ((partition.committedOffset ?? 0) > 0) return true
  return partition.startOffset > 0 && (stored.get(nameOf(partition)) ?? 0) > 0
}

async function startOf(
  partition: AssignedPartition,
  position: number | undefined,
  { log }: BackendsOf<'updater'>,
  signal: AbortSignal,
): Promise<number> {
  const { topic, committedOffset, startOffset } = partition
  if (position === undefined) return startOffset
  const start = Math.max(position, startOffset)
  if (committedOffset === null || position >= committedOffset) return start
  const [record] = await log.read({ topic, partition: partition.partition, offset: start }, 1, { signal })
  if (record === undefined) return start
  const rewound = await log.offsetAtTime(topic, partition.partition, record.appendedAt - REWIND_MS, { signal })
  return Math.max(startOffset, Math.min(rewound, start))
}

/** Another updater may be rebuilding the state: it is waited for as long as it gives signs of life. */
async function waitForRebuild(
  context: ServiceContext,
  { userState }: BackendsOf<'updater'>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const recipe = await userState.recipe({ signal })
    if (!recipe?.startsWith(REBUILDING)) return
    if (Math.abs(context.now() - Number.parseFloat(recipe.slice(REBUILDING.length))) > REBUILD_SILENCE_MAX_MS) return
    await delay(REBUILD_POLL_MS, undefined, { signal })
  }
}

/**
 * Clears the state and builds every history anew from the event store. The recipe is written last: a rebuild that was
 * interrupted starts over, and until then readers can tell that the state is not whole.
 * Signs of life follow what was written, so that a state which has lost writes meanwhile has lost the last sign too.
 * null, changing nothing, when the state is no longer of that generation: someone else has begun.
 */
async function rebuild(
  assigned: readonly AssignedPartition[],
  { reason, generation: emptied }: { reason: string; generation: number },
  context: ServiceContext,
  { log, userState, eventStore }: BackendsOf<'updater'>,
  signal: AbortSignal,
): Promise<Start | null> {
  const rules = historyRules(context)
  const until = await eventStore.positions({ signal })
  await refuseBeyondEnd(assigned, until, { log }, signal)
  const generation = await userState.clear({ signal, generation: emptied })
  if (generation === null) return null
  let [sign, signs] = ['', 0]
  const giveSignOfLife = async () => {
    sign = `${REBUILDING}${context.now()}/${signs++}`
    await userState.setRecipe(sign, { signal, generation })
  }
  const refuseLostWrites = async () => {
    if ((await userState.recipe({ signal })) === sign) return
    throw new MillraceError('STATE_UNAVAILABLE', 'user state lost writes while it was rebuilt; it is built anew')
  }
  await giveSignOfLife()
  let events = 0
  const parts = {
    ...{ userState, generation, rules, signal, model: null },
    freshnessMs: () => null,
    onConflict: () => {},
    heartbeat: giveSignOfLife,
  }
  for await (const batch of eventStore.scanByUser(until, { batchEventsMax: REBUILD_BATCH_EVENTS_MAX, signal })) {
    await refuseLostWrites()
    await applyEvents(batch, parts)
    events += batch.length
  }
  await refuseLostWrites()
  const reached = new Map(until)
  const starts = new Map<string, number>()
  for (const partition of assigned) {
    const name = nameOf(partition)
    tellLoss(partition, until.get(name), context)
    const start = Math.max(until.get(name) ?? 0, partition.startOffset)
    starts.set(name, start)
    if (start > 0) reached.set(name, start)
  }
  await userState.setApplied(reached, { signal, generation, allowLower: true })
  await userState.setRecipe(historyRecipe(rules), { signal, generation })
  if (events > 0) context.logger.info({ events, reason }, 'user state was rebuilt from the event store')
  return { starts: withSomethingToCommit(starts, assigned), generation, applied: reached }
}

/** Neither the log nor the event store has what lies between: nothing can bring it back. */
function tellLoss(partition: AssignedPartition, position: number | undefined, { logger }: ServiceContext): void {
  const lost = partition.startOffset - (position ?? partition.startOffset)
  if (lost <= 0) return
  const place = nameOf(partition)
  logger.error(
    { place, lost },
    `up to ${lost} records of ${place} are missing in user state: the log's retention removed them before they were applied or stored`,
  )
}

/** The end of the assignment may be old by now: the log is asked again before it is called another one. */
async function refuseBeyondEnd(
  assigned: readonly AssignedPartition[],
  positions: Positions,
  { log }: Pick<BackendsOf<'updater'>, 'log'>,
  signal: AbortSignal,
): Promise<void> {
  for (const partition of assigned) {
    const position = positions.get(nameOf(partition)) ?? 0
    if (position <= partition.endOffset) continue
    const endOffset = (await log.offsets(partition.topic, { signal }))[partition.partition]?.endOffset ?? 0
    if (position <= endOffset) continue
    throw new MillraceError(
      'LOG_RESET',
      `${nameOf(partition)} was applied up to ${position} but the log ends at ${endOffset}: the log was replaced; ` +
        'restore it, or start with an empty DATA_DIR and import again',
    )
  }
}

function nameOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`
}
