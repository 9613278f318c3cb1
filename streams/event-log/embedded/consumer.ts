import { setImmediate as nextTurn } from 'node:timers/promises'
import { MillraceError } from '../../../schemas/errors.ts'
import type { ConsumeOptions, GroupHandler, LogBatch } from '../port.ts'
import type { CommitTable } from './commit-table.ts'
import type { Environment } from './environment.ts'
import type { ConsumerGroup, GroupMember } from './group.ts'
import { readRecords } from './reader.ts'
import { nextAppend, type PartitionState } from './state.ts'
import type { Writer } from './writer.ts'

export interface ConsumerParts {
  readonly environment: Environment
  readonly commits: CommitTable
  readonly writer: Writer
  readonly group: ConsumerGroup
}

/** One partition's loop while this member owns it. */
interface PartitionWork {
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** One membership, from join to leave. Each owned partition has a loop of its own. */
export async function runConsumer(parts: ConsumerParts, options: ConsumeOptions, handler: GroupHandler): Promise<void> {
  const { group } = parts
  const works = new Map<PartitionState, PartitionWork>()
  const shutdown = new AbortController()
  const failure: { error: unknown }[] = []
  let changed = Promise.withResolvers<void>()

  const fail = (error: unknown) => {
    failure.push({ error })
    shutdown.abort()
  }
  const member: GroupMember = { topics: options.topics, reconcile: () => changed.resolve() }
  const leave = () => shutdown.abort()
  shutdown.signal.addEventListener('abort', () => changed.resolve())
  options.signal.addEventListener('abort', leave)
  if (options.signal.aborted) leave()

  async function revoke(states: readonly PartitionState[]): Promise<void> {
    if (states.length === 0) return
    for (const state of states) works.get(state)?.stop.abort()
    await Promise.all(states.map((state) => works.get(state)?.done))
    for (const state of states) works.delete(state)
    try {
      await handler.onRevoked?.(states.map(nameOf))
    } finally {
      group.release(member, states)
    }
  }

  async function take(): Promise<void> {
    const taken = group.take(member)
    if (taken.length === 0) return
    try {
      const starts = await assign(parts, options, handler, taken, shutdown.signal)
      taken.forEach((state, index) => {
        const stop = new AbortController()
        const done = runPartition(
          { ...parts, options, handler, state, stop: stop.signal, shutdown: shutdown.signal },
          starts[index] as number,
        )
        works.set(state, { stop, done: done.catch(fail) })
      })
    } catch (error) {
      group.release(member, taken)
      throw error
    }
  }

  group.join(member)
  try {
    while (!shutdown.signal.aborted) {
      changed = Promise.withResolvers()
      await revoke([...works.keys()].filter((state) => !group.isDesired(member, state)))
      await take()
      if (!shutdown.signal.aborted) await changed.promise
    }
  } catch (error) {
    fail(error)
  } finally {
    options.signal.removeEventListener('abort', leave)
    await revoke([...works.keys()]).catch(fail)
    group.leave(member)
    await parts.writer.commitOffsets().catch(fail)
  }
  const first = failure[0]
  if (first !== undefined && !(options.signal.aborted && isAbort(first.error))) throw first.error
}

/** Asks the handler where to start. @throws MillraceError LOG_RESET when that lies beyond a partition's end. */
async function assign(
  { commits }: ConsumerParts,
  { group }: ConsumeOptions,
  handler: GroupHandler,
  states: readonly PartitionState[],
  signal: AbortSignal,
): Promise<number[]> {
  const assigned = states.map((state) => {
    const committedOffset = commits.get(group, state.topic.spec.topic, state.partition)
    refuseBeyondEnd(group, state, committedOffset, 'committed')
    return { ...nameOf(state), committedOffset, startOffset: state.startOffset, endOffset: state.endOffset }
  })
  const chosen = await handler.onAssigned?.(assigned, signal)
  return states.map((state, index) => {
    const { committedOffset, startOffset } = assigned[index] as (typeof assigned)[number]
    const wanted = chosen?.get(`${state.topic.spec.topic}/${state.partition}`) ?? null
    refuseBeyondEnd(group, state, wanted, 'stored')
    return wanted ?? committedOffset ?? startOffset
  })
}

function refuseBeyondEnd(group: string, state: PartitionState, offset: number | null, kind: string): void {
  if (offset === null || offset <= state.endOffset) return
  throw new MillraceError(
    'LOG_RESET',
    `group ${group} has the ${kind} offset ${offset} of ${state.topic.spec.topic}/${state.partition}, which ends at ${state.endOffset}; the log was replaced by an older or empty one`,
  )
}

interface PartitionRun extends ConsumerParts {
  readonly options: ConsumeOptions
  readonly handler: GroupHandler
  readonly state: PartitionState
  readonly stop: AbortSignal
  readonly shutdown: AbortSignal
}

async function runPartition(run: PartitionRun, startOffset: number): Promise<void> {
  const { environment, state, options, handler, stop, shutdown } = run
  const ended = AbortSignal.any([stop, shutdown])
  let offset = startOffset
  while (!ended.aborted) {
    const { records, nextOffset } = readRecords(environment, state, offset, options.batchRecordsMax)
    if (records.length > 0) {
      const batch: LogBatch = { ...nameOf(state), records, endOffset: state.endOffset }
      await handler.onBatch(batch, { heartbeat: nextTurn<void>, signal: shutdown })
    }
    if (nextOffset > offset) {
      offset = nextOffset
      run.commits.set(options.group, state.topic.spec.topic, state.partition, offset)
      run.writer.commitOffsetsSoon()
    }
    if (offset >= state.endOffset) await nextAppend([state], ended)
    else await nextTurn()
  }
}

function nameOf(state: PartitionState): { topic: string; partition: number } {
  return { topic: state.topic.spec.topic, partition: state.partition }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || (error as { code?: unknown }).code === 'ABORTED')
}
