import { randomUUID } from 'node:crypto'
import { type EmbeddedFolder, openEmbeddedFolder } from '../../../schemas/embedded-folder.ts'
import { MillraceError } from '../../../schemas/errors.ts'
import type {
  AppendRecord,
  ConsumeOptions,
  EventLog,
  FollowHandler,
  GroupHandler,
  LogRecord,
  PartitionOffsets,
  Position,
  TopicSpec,
} from '../port.ts'
import { type CommitTable, loadCommitTable } from './commit-table.ts'
import { runConsumer } from './consumer.ts'
import { type Environment, openEnvironment } from './environment.ts'
import { runFollower } from './follower.ts'
import { type ConsumerGroup, createConsumerGroup } from './group.ts'
import { placeRecords } from './placing.ts'
import { firstOffsetAt, readRecords } from './reader.ts'
import { enforceRetention } from './retention.ts'
import { createTopicTable, type TopicTable } from './topic-table.ts'
import { Writer } from './writer.ts'

const FORMAT = { kind: 'millrace-event-log', version: 1 }
const RETENTION_INTERVAL_MS = 60_000

interface Waiting {
  readonly signal: AbortSignal
}

export interface EmbeddedLog extends EventLog {
  /** One pass of retention by time and size; also runs once a minute. Returns the removed blocks and tombstones. */
  enforceRetention(): Promise<number>
}

/** The event log in one LMDB file below `folder`, for the consumers and producers of one process. */
export async function openEmbeddedLog(folder: string, options: { now: () => number }): Promise<EmbeddedLog> {
  const owned = await openEmbeddedFolder(folder, FORMAT)
  try {
    const environment = await openEnvironment(owned.path)
    return new LmdbLog(environment, await identify(environment), options.now, owned)
  } catch (error) {
    await owned[Symbol.asyncDispose]()
    throw error
  }
}

async function identify(environment: Environment): Promise<string> {
  const known = environment.meta.get(['id'])
  if (typeof known === 'string') return known
  const id = randomUUID()
  await environment.commit(() => {
    environment.meta.put(['id'], id)
  })
  return id
}

class LmdbLog implements EmbeddedLog {
  readonly id: string
  readonly #environment: Environment
  readonly #now: () => number
  readonly #folder: EmbeddedFolder
  readonly #commits: CommitTable
  readonly #writer: Writer
  readonly #topics: TopicTable
  readonly #groups = new Map<string, ConsumerGroup>()
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()
  readonly #retentionTimer: NodeJS.Timeout
  #closed: Promise<void> | null = null
  #sweep: Promise<number> | null = null
  #sweepFailure: unknown = null

  constructor(environment: Environment, id: string, now: () => number, folder: EmbeddedFolder) {
    this.id = id
    this.#environment = environment
    this.#now = now
    this.#folder = folder
    this.#commits = loadCommitTable(environment)
    this.#writer = new Writer(environment, this.#commits, now)
    this.#topics = createTopicTable(environment, this.#writer)
    this.#retentionTimer = setInterval(() => {
      this.#sweepOnce().catch((error: unknown) => {
        this.#sweepFailure = error
      })
    }, RETENTION_INTERVAL_MS).unref()
  }

  async ensureTopics(specs: readonly TopicSpec[], { signal }: Waiting): Promise<void> {
    this.#refuse(signal)
    await this.#topics.ensure(specs)
  }

  async append(
    topic: string,
    records: readonly AppendRecord[],
    { signal, copies = false }: Waiting & { copies?: boolean },
  ): Promise<readonly Position[]> {
    this.#refuse(signal)
    if (records.length === 0) return []
    const placed = placeRecords(this.#topics.get(topic), records, copies)
    const offsets = await this.#writer.append(placed, signal)
    return placed.map(({ state }, index) => ({ topic, partition: state.partition, offset: offsets[index] as number }))
  }

  async consume(options: ConsumeOptions, handler: GroupHandler): Promise<void> {
    this.#refuse()
    for (const topic of options.topics) this.#topics.get(topic)
    let group = this.#groups.get(options.group)
    if (group === undefined) {
      group = createConsumerGroup((topic) => this.#topics.get(topic).partitions)
      this.#groups.set(options.group, group)
    }
    const parts = { environment: this.#environment, commits: this.#commits, writer: this.#writer, group }
    await this.#whileOpen(options.signal, (signal) => runConsumer(parts, { ...options, signal }, handler))
  }

  async follow({ topic, signal }: { topic: string; signal: AbortSignal }, handler: FollowHandler): Promise<void> {
    this.#refuse()
    const state = this.#topics.get(topic)
    await this.#whileOpen(signal, (ended) => runFollower(this.#environment, state, ended, handler))
  }

  async read(from: Position, recordsMax: number, { signal }: Waiting): Promise<readonly LogRecord[]> {
    this.#refuse(signal)
    return readRecords(this.#environment, this.#topics.partition(from.topic, from.partition), from.offset, recordsMax)
      .records
  }

  async offsets(topic: string, { signal }: Waiting): Promise<readonly PartitionOffsets[]> {
    this.#refuse(signal)
    return this.#topics
      .get(topic)
      .partitions.map(({ partition, startOffset, endOffset }) => ({ topic, partition, startOffset, endOffset }))
  }

  async offsetAtTime(topic: string, partition: number, timeMs: number, { signal }: Waiting): Promise<number> {
    this.#refuse(signal)
    return firstOffsetAt(this.#environment, this.#topics.partition(topic, partition), timeMs)
  }

  async committed(group: string, topic: string, { signal }: Waiting): Promise<readonly (number | null)[]> {
    this.#refuse(signal)
    return this.#topics.get(topic).partitions.map(({ partition }) => this.#commits.get(group, topic, partition))
  }

  async commit(group: string, next: readonly Position[], { signal }: Waiting): Promise<void> {
    this.#refuse(signal)
    for (const { topic, partition } of next) this.#topics.partition(topic, partition)
    for (const { topic, partition, offset } of next) this.#commits.set(group, topic, partition, offset)
    await this.#writer.commitOffsets()
  }

  async enforceRetention(): Promise<number> {
    this.#refuse()
    const failure = this.#sweepFailure
    this.#sweepFailure = null
    if (failure !== null) throw failure
    return this.#sweepOnce()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    clearInterval(this.#retentionTimer)
    this.#closing.abort()
    await Promise.all(this.#running)
    await this.#sweep?.catch(() => 0)
    try {
      await this.#writer.drain()
    } finally {
      await this.#environment.close()
      await this.#folder[Symbol.asyncDispose]()
    }
  }

  #sweepOnce(): Promise<number> {
    this.#sweep ??= enforceRetention(
      this.#environment,
      this.#writer,
      this.#topics.partitions(),
      this.#now(),
      this.#closing.signal,
    ).finally(() => {
      this.#sweep = null
    })
    return this.#sweep
  }

  /** Runs until the caller's signal or the log's end; the latter is an error, for the caller did not ask to stop. */
  async #whileOpen(signal: AbortSignal, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const work = run(AbortSignal.any([signal, this.#closing.signal]))
    const settled = work.catch(() => {}).finally(() => this.#running.delete(settled))
    this.#running.add(settled)
    await work
    if (!signal.aborted) throw new MillraceError('ABORTED', 'the event log was closed while it was read')
  }

  #refuse(signal?: AbortSignal): void {
    if (this.#closing.signal.aborted) throw new MillraceError('LOG_UNAVAILABLE', 'the event log is closed')
    if (signal?.aborted) throw new MillraceError('ABORTED', 'the call on the event log was aborted')
  }
}
