import type { Admin, Cluster, Kafka } from 'kafkajs'
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
import { type KafkaAddress, parseKafkaUrl } from './address.ts'
import { createClient, openCluster } from './client.ts'
import { type ConsumerParts, runConsumer } from './consumer.ts'
import { logFailure } from './failure.ts'
import { runFollower } from './follower.ts'
import { commitAsOutsider, committedOffsets } from './membership.ts'
import { createPartitionReader, type PartitionReader } from './partition-reader.ts'
import { placeMessages } from './placing.ts'
import { Sender } from './sender.ts'
import type { Sockets } from './socket.ts'
import { createTopicTable, type Topic, type TopicTable } from './topic-table.ts'

interface Waiting {
  readonly signal: AbortSignal
}

/**
 * The event log on a Kafka cluster; the URL's form is that of `parseKafkaUrl`.
 * @throws MillraceError CONFIG_INVALID for an unusable URL or refused credentials, LOG_UNAVAILABLE when no broker answers.
 */
export async function openKafkaLog(url: string): Promise<EventLog> {
  const address = parseKafkaUrl(url)
  const { kafka, sockets } = await createClient(address)
  await using opening = new AsyncDisposableStack()
  opening.use(sockets)
  const admin = kafka.admin()
  opening.defer(() => admin.disconnect())
  try {
    await admin.connect()
    const cluster = opening.use(await openCluster(kafka))
    const { clusterId } = await admin.describeCluster()
    const log = new KafkaLog({ kafka, sockets, address, admin, cluster, id: clusterId })
    opening.move()
    return log
  } catch (cause) {
    throw logFailure(`no Kafka broker of LOG_URL (${address.brokers.join(', ')}) can be used`, cause)
  }
}

interface LogParts {
  readonly kafka: Kafka
  readonly sockets: Sockets
  readonly address: KafkaAddress
  readonly admin: Admin
  readonly cluster: Cluster & AsyncDisposable
  readonly id: string
}

class KafkaLog implements EventLog {
  readonly id: string
  readonly #parts: LogParts
  readonly #topics: TopicTable
  readonly #reader: PartitionReader
  readonly #sender: Sender
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #closed: Promise<void> | null = null

  constructor(parts: LogParts) {
    const { kafka, address, admin, cluster, id } = parts
    this.id = id
    this.#parts = parts
    this.#topics = createTopicTable({ admin, cluster, closing: this.#closing.signal }, address)
    this.#reader = createPartitionReader(cluster)
    this.#sender = new Sender(kafka, address.compression)
  }

  async ensureTopics(specs: readonly TopicSpec[], { signal }: Waiting): Promise<void> {
    this.#refuse(signal)
    await this.#topics.ensure(specs, signal)
  }

  append(
    topic: string,
    records: readonly AppendRecord[],
    { signal, copies = false }: Waiting & { copies?: boolean },
  ): Promise<readonly Position[]> {
    return this.#track(async () => {
      this.#refuse(signal)
      if (records.length === 0) return []
      const known = await this.#topics.get(topic, signal)
      const placed = placeMessages(known, records, copies)
      const offsets = await this.#sender.append(known, placed, signal)
      return placed.map(({ partition }, index) => ({ topic, partition, offset: offsets[index] as number }))
    })
  }

  async consume(options: ConsumeOptions, handler: GroupHandler): Promise<void> {
    this.#refuse()
    await this.#whileOpen(options.signal, async (signal) => {
      for (const topic of options.topics) await this.#topics.get(topic, signal)
      await using coordination = await this.#connect()
      await using fetching = await this.#connect()
      const parts: ConsumerParts = {
        ...{ coordination, fetching, sessionTimeoutMs: this.#parts.address.sessionTimeoutMs },
        offsets: (topic, ended, partitionsMin) => this.#offsets(topic, ended, partitionsMin),
      }
      await runConsumer(parts, { ...options, signal }, handler)
    })
  }

  async follow({ topic, signal }: { topic: string; signal: AbortSignal }, handler: FollowHandler): Promise<void> {
    this.#refuse()
    await this.#whileOpen(signal, async (ended) => {
      await this.#topics.get(topic, ended)
      await using cluster = await this.#connect()
      await runFollower({ cluster, topic, offsets: (within) => this.#offsets(topic, within) }, ended, handler)
    })
  }

  read(from: Position, recordsMax: number, { signal }: Waiting): Promise<readonly LogRecord[]> {
    return this.#call(signal, async (ended) => {
      refuseUnknown(await this.#topics.get(from.topic, ended), from.partition)
      return this.#reader.read(from, recordsMax, { signal: ended })
    })
  }

  offsets(topic: string, { signal }: Waiting): Promise<readonly PartitionOffsets[]> {
    return this.#call(signal, (ended) => this.#offsets(topic, ended))
  }

  offsetAtTime(topic: string, partition: number, timeMs: number, { signal }: Waiting): Promise<number> {
    return this.#call(signal, async (ended) => {
      const known = await this.#topics.get(topic, ended)
      refuseUnknown(known, partition)
      return this.#reader.offsetAtTime(known, partition, timeMs, { signal: ended })
    })
  }

  committed(group: string, topic: string, { signal }: Waiting): Promise<readonly (number | null)[]> {
    return this.#call(signal, async (ended) => {
      const { partitions } = await this.#topics.get(topic, ended)
      const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
      return committedOffsets(this.#parts.cluster, group, all, ended)
    })
  }

  commit(group: string, next: readonly Position[], { signal }: Waiting): Promise<void> {
    return this.#call(signal, async (ended) => {
      for (const { topic, partition } of next) refuseUnknown(await this.#topics.get(topic, ended), partition)
      if (next.length > 0) await commitAsOutsider(this.#parts.cluster, group, next, ended)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#running)
    await this.#sender.close()
    await this.#parts.cluster[Symbol.asyncDispose]()
    await this.#parts.admin.disconnect().catch(() => undefined)
    this.#parts.sockets[Symbol.dispose]()
  }

  async #offsets(topic: string, signal: AbortSignal, partitionsMin = 0): Promise<readonly PartitionOffsets[]> {
    return this.#reader.offsets(await this.#topics.get(topic, signal, partitionsMin), { signal })
  }

  async #connect(): Promise<Cluster & AsyncDisposable> {
    try {
      return await openCluster(this.#parts.kafka)
    } catch (cause) {
      throw logFailure('no Kafka broker can be reached', cause)
    }
  }

  /** Closing ends it, and waits for that: a request that comes after it would connect again. */
  async #call<T>(signal: AbortSignal, work: (ended: AbortSignal) => Promise<T>): Promise<T> {
    this.#refuse(signal)
    return this.#track(() => work(AbortSignal.any([signal, this.#closing.signal])))
  }

  /** Closing waits for it. */
  #track<T>(work: () => Promise<T>): Promise<T> {
    const running = work()
    const settled: Promise<void> = running.then(
      () => undefined,
      () => undefined,
    )
    this.#running.add(settled)
    void settled.finally(() => this.#running.delete(settled))
    return running
  }

  /** Runs until the caller's signal or the log's end; the latter is an error, for the caller did not ask to stop. */
  async #whileOpen(signal: AbortSignal, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const ended = AbortSignal.any([signal, this.#closing.signal])
    try {
      await this.#track(() => run(ended))
    } catch (error) {
      if (!ended.aborted || !(error instanceof MillraceError && error.code === 'ABORTED')) throw error
    }
    if (!signal.aborted) throw new MillraceError('ABORTED', 'the event log was closed while it was read')
  }

  #refuse(signal?: AbortSignal): void {
    if (this.#closing.signal.aborted) throw new MillraceError('LOG_UNAVAILABLE', 'the event log is closed')
    if (signal?.aborted) throw new MillraceError('ABORTED', 'the call on the event log was aborted')
  }
}

function refuseUnknown(topic: Topic, partition: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < topic.partitions) return
  throw new MillraceError('INVALID_REQUEST', `topic ${topic.name} has no partition ${partition}`, {
    field: 'partition',
  })
}
