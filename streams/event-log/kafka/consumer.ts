import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from 'kafkajs'
import { MillraceError } from '../../../schemas/errors.ts'
import type { AssignedPartition, ConsumeOptions, GroupHandler, LogBatch, PartitionOffsets } from '../port.ts'
import { type Cursor, createCursor, Fetcher } from './fetcher.ts'
import { type Commit, committedOffsets, Membership, type Partition } from './membership.ts'

export interface ConsumerParts {
  /** Connections of this consumer's own: one that the coordinator's requests may hold up, one for fetches. */
  readonly coordination: Cluster
  readonly fetching: Cluster
  readonly sessionTimeoutMs: number
  /** Of at least so many partitions: the assigned ones may be new. */
  offsets(topic: string, signal: AbortSignal, partitionsMin?: number): Promise<readonly PartitionOffsets[]>
}

/** Each commit costs the broker a record of its own; a group that works on a trickle would make hundreds a second. */
const COMMIT_INTERVAL_MS = 100

/** What happened to an assignment: all three end the work on it. */
type Ending = 'rebalancing' | 'lost' | 'shutdown'

/** One membership, from the first join to the leave; each assignment has a fetcher, and a loop per partition. */
export async function runConsumer(parts: ConsumerParts, options: ConsumeOptions, handler: GroupHandler): Promise<void> {
  const { coordination, sessionTimeoutMs } = parts
  const membership = new Membership(coordination, { ...options, sessionTimeoutMs })
  try {
    while (!options.signal.aborted) {
      const partitions = await membership.join(options.signal)
      const assignment = new Assignment({ ...parts, options, handler, membership }, partitions)
      await assignment.run()
    }
  } catch (error) {
    if (!(options.signal.aborted && isAbort(error))) throw error
  } finally {
    await membership.leave()
  }
}

interface AssignmentParts extends ConsumerParts {
  readonly options: ConsumeOptions
  readonly handler: GroupHandler
  readonly membership: Membership
}

/** The partitions of one generation of the group. */
class Assignment {
  readonly #parts: AssignmentParts
  readonly #partitions: readonly Partition[]
  /** No new batches: finish the running ones. */
  readonly #stop = new AbortController()
  /** The partitions may be somebody else's: give the running batches up. */
  readonly #lost = new AbortController()
  readonly #ended = Promise.withResolvers<Ending>()
  readonly #uncommitted = new Map<string, Commit>()
  #committing: Promise<void> | null = null

  constructor(parts: AssignmentParts, partitions: readonly Partition[]) {
    this.#parts = parts
    this.#partitions = partitions
  }

  /** Resolves when the group rebalances, the partitions are lost or the caller stops; throws what ends the membership. */
  async run(): Promise<void> {
    const { options, handler, membership } = this.#parts
    const heartbeats = new AbortController()
    const shutdown = () => this.#end('shutdown')
    options.signal.addEventListener('abort', shutdown, { once: true })
    if (options.signal.aborted) shutdown()
    const beating = membership.heartbeat(heartbeats.signal, (standing) => {
      if (standing !== 'member') this.#end(standing)
    })
    const failures: unknown[] = []
    try {
      await this.#work()
    } catch (error) {
      failures.push(error)
      this.#end('shutdown')
    }
    await this.#committing
    if (!this.#lost.signal.aborted) await this.#commitAll().catch((error: unknown) => failures.push(error))
    if (this.#partitions.length > 0) {
      await handler.onRevoked?.(this.#partitions).catch((error: unknown) => failures.push(error))
    }
    heartbeats.abort()
    await beating
    options.signal.removeEventListener('abort', shutdown)
    const [first] = failures
    if (first !== undefined && !(this.#mayAbort() && isAbort(first)) && !this.#lost.signal.aborted) throw first
  }

  #mayAbort(): boolean {
    return this.#parts.options.signal.aborted || this.#lost.signal.aborted
  }

  #end(ending: Ending): void {
    if (ending === 'lost') this.#lost.abort()
    this.#stop.abort()
    this.#ended.resolve(ending)
  }

  async #work(): Promise<void> {
    const { fetching, options, offsets } = this.#parts
    const cursors = await this.#start()
    if (this.#stop.signal.aborted) return
    await fetching.addMultipleTargetTopics([...options.topics])
    await fetching.refreshMetadata().catch(() => undefined)
    const fetcher = new Fetcher({
      ...{ cluster: fetching, cursors, gatherMs: options.gatherMs ?? 0, signal: this.#stop.signal },
      startOffsetOf: async ({ topic, partition }) => {
        const known = (await offsets(topic, this.#stop.signal))[partition]
        return known?.startOffset ?? 0
      },
    })
    const fail = (error: unknown) => {
      this.#end('shutdown')
      throw error
    }
    const loops = cursors.map((cursor) => this.#workOn(cursor, fetcher).catch(fail))
    const results = await Promise.allSettled([...loops, fetcher.done.catch(fail), this.#ended.promise])
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /** Where each partition starts, as the handler chooses. @throws MillraceError LOG_RESET for offsets beyond the end. */
  async #start(): Promise<Cursor[]> {
    const { coordination, options, handler, offsets } = this.#parts
    const signal = AbortSignal.any([options.signal, this.#lost.signal])
    const committed = await committedOffsets(coordination, options.group, this.#partitions, signal)
    const assigned: AssignedPartition[] = []
    const ends = new Map<string, readonly PartitionOffsets[]>()
    for (const [index, { topic, partition }] of this.#partitions.entries()) {
      const known = ends.get(topic) ?? (await offsets(topic, signal, highest(this.#partitions, topic) + 1))
      ends.set(topic, known)
      const { startOffset = 0, endOffset = 0 } = known[partition] ?? {}
      const committedOffset = committed[index] ?? null
      refuseBeyondEnd(options.group, { topic, partition, endOffset }, committedOffset, 'committed')
      assigned.push({ topic, partition, committedOffset, startOffset, endOffset })
    }
    const chosen = assigned.length === 0 ? undefined : await handler.onAssigned?.(assigned, signal)
    const cursors: Cursor[] = []
    for (const { topic, partition, committedOffset, startOffset, endOffset: endBefore } of assigned) {
      const wanted = chosen?.get(`${topic}/${partition}`) ?? null
      // The choice may have taken a while, in which the log went on.
      const isNew = wanted !== null && wanted > endBefore
      const endOffset = isNew ? ((await offsets(topic, signal))[partition]?.endOffset ?? 0) : endBefore
      refuseBeyondEnd(options.group, { topic, partition, endOffset }, wanted, 'stored')
      const offset = Math.max(wanted ?? committedOffset ?? startOffset, startOffset)
      cursors.push(createCursor(topic, partition, offset, endOffset))
    }
    return cursors
  }

  async #workOn(cursor: Cursor, fetcher: Fetcher): Promise<void> {
    const { handler, options } = this.#parts
    const { topic, partition } = cursor
    const signal = AbortSignal.any([options.signal, this.#lost.signal])
    let position = cursor.fetchOffset
    while (!this.#stop.signal.aborted) {
      const taken = fetcher.take(cursor, options.batchRecordsMax)
      if (taken !== null) {
        const batch: LogBatch = { topic, partition, records: taken.records, endOffset: cursor.endOffset }
        await handler.onBatch(batch, { heartbeat: nextTurn<void>, signal })
      }
      const next = taken?.nextOffset ?? cursor.fetchOffset
      if (next > position) this.#commitSoon({ topic, partition, offset: next })
      position = next
      if (taken === null && cursor.queue.length === 0) await fetcher.arrival(cursor)
    }
  }

  #commitSoon(commit: Commit): void {
    if (this.#lost.signal.aborted) return
    this.#uncommitted.set(`${commit.topic}/${commit.partition}`, commit)
    this.#committing ??= this.#commitWhileAny().finally(() => {
      this.#committing = null
    })
  }

  /** What cannot be committed now stays in `uncommitted`; the end of the assignment tries once more and says so. */
  async #commitWhileAny(): Promise<void> {
    await nextTurn()
    while (this.#uncommitted.size > 0 && !this.#lost.signal.aborted) {
      try {
        await this.#commitAll()
        await sleep(COMMIT_INTERVAL_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      } catch {
        this.#end('shutdown')
        return
      }
    }
  }

  async #commitAll(): Promise<void> {
    const commits = [...this.#uncommitted.values()]
    this.#uncommitted.clear()
    try {
      if (!(await this.#parts.membership.commit(commits, NEVER))) this.#end('lost')
    } catch (error) {
      for (const commit of commits) {
        const name = `${commit.topic}/${commit.partition}`
        if (!this.#uncommitted.has(name)) this.#uncommitted.set(name, commit)
      }
      throw error
    }
  }
}

/** A commit is finished also while the caller stops: what was worked on should not come again. */
const NEVER = new AbortController().signal

function highest(partitions: readonly Partition[], topic: string): number {
  return partitions.reduce((most, own) => (own.topic === topic ? Math.max(most, own.partition) : most), 0)
}

function refuseBeyondEnd(
  group: string,
  { topic, partition, endOffset }: { topic: string; partition: number; endOffset: number },
  offset: number | null,
  kind: string,
): void {
  if (offset === null || offset <= endOffset) return
  throw new MillraceError(
    'LOG_RESET',
    `group ${group} has the ${kind} offset ${offset} of ${topic}/${partition}, which ends at ${endOffset}; the log was replaced by an older or empty one`,
  )
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || (error as { code?: unknown }).code === 'ABORTED')
}
