import kafkajs, { type Kafka, type Message, type Producer } from 'kafkajs'
import { MillraceError } from '../../../schemas/errors.ts'
import type { KafkaAddress } from './address.ts'
import { CLIENT_RETRY } from './client.ts'
import { logFailure } from './failure.ts'
import type { Topic } from './topic-table.ts'

export const IN_FLIGHT_BYTES_MAX = 64 * 1_048_576
/** Below the broker's default limit of 1 MiB for a batch of one partition, were nothing compressed. */
const BATCH_BYTES_MAX = 900_000
const REQUEST_BYTES_MAX = 8 * 1_048_576
/** Only copies are so large, and the topic may refuse them: they go alone, so that nobody else is refused with them. */
const ALONE_BYTES_MIN = 131_072
/** What a record takes beside its key, value and headers, at most. */
const RECORD_OVERHEAD_BYTES = 64
const REQUEST_DEADLINE_MS = 12_000
/**
 * Partitions that get fewer bytes than this in a request, on average, are not packed: packing takes longer than it saves,
 * for who waits for the acknowledgement and for who waits for the records.
 */
const PACKED_BYTES_MIN = 4_096

/** A record with its place. */
export interface PlacedMessage {
  readonly partition: number
  readonly message: Message
  readonly bytes: number
}

interface Pending {
  readonly topic: Topic
  readonly messages: readonly PlacedMessage[]
  readonly offsets: number[]
  readonly bytes: number
  sent: number
  answered: number
  readonly resolve: (offsets: readonly number[]) => void
  readonly reject: (error: MillraceError) => void
}

interface Bucket {
  readonly topic: Topic
  readonly partition: number
  readonly messages: Message[]
  readonly owners: { readonly pending: Pending; readonly index: number }[]
  bytes: number
}

/**
 * Appends in request after request, one in flight: what arrives meanwhile shares the next one. The producer is idempotent,
 * so the client's own retries repeat nothing. A request that failed in the end leaves the producer's sequence in doubt -
 * the broker would take different records under a used number for a repetition and acknowledge what it never wrote - so
 * such a producer is thrown away and the next request gets a new one.
 */
export class Sender {
  readonly #kafka: Kafka
  readonly #compression: number
  readonly #queue: Pending[] = []
  /** Partitions of the topics the present producer has met. */
  readonly #partitions = new Map<string, number>()
  #inFlightBytes = 0
  #producer: Promise<Producer> | null = null
  #running: Promise<void> | null = null

  constructor(kafka: Kafka, compression: KafkaAddress['compression']) {
    this.#kafka = kafka
    this.#compression = kafkajs.CompressionTypes[COMPRESSION[compression]]
  }

  /** Offsets in the order of the messages. */
  append(topic: Topic, messages: readonly PlacedMessage[], signal: AbortSignal): Promise<readonly number[]> {
    const bytes = messages.reduce((sum, message) => sum + message.bytes, 0)
    if (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > IN_FLIGHT_BYTES_MAX)
      throw overloaded(this.#inFlightBytes)
    this.#inFlightBytes += bytes
    const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>()
    const offsets = new Array<number>(messages.length)
    const pending: Pending = { topic, messages, offsets, bytes, sent: 0, answered: 0, resolve, reject }
    const abort = () => this.#give(pending, new MillraceError('ABORTED', `an append to ${topic.name} was aborted`))
    signal.addEventListener('abort', abort, { once: true })
    this.#queue.push(pending)
    this.#running ??= this.#run()
    return promise.finally(() => {
      this.#inFlightBytes -= bytes
      signal.removeEventListener('abort', abort)
    })
  }

  /** Resolves when nothing is in flight and the connection is closed. */
  async close(): Promise<void> {
    await this.#running
    await this.#discard()
  }

  async #run(): Promise<void> {
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const buckets = this.#fill()
      try {
        await this.#send(buckets)
      } catch (error) {
        void this.#discard()
        const what = 'Kafka did not take the records; they are not acknowledged, append them again with the same ids'
        const failure = logFailure(what, error)
        for (const { owners } of buckets) for (const { pending } of owners) this.#give(pending, failure)
        // Who waits behind it would wait as long again, and one after the other, for the same answer.
        if (failure.code === 'LOG_UNAVAILABLE') for (const pending of [...this.#queue]) this.#give(pending, failure)
      }
    }
    this.#running = null
  }

  /** Fills one request in the order of arrival; stops at the first record that does not fit. */
  #fill(): Bucket[] {
    const buckets = new Map<string, Bucket>()
    let requestBytes = 0
    for (const pending of this.#queue) {
      for (; pending.sent < pending.messages.length; pending.sent++) {
        const { partition, message, bytes } = pending.messages[pending.sent] as PlacedMessage
        const name = `${pending.topic.name}/${partition}`
        let bucket = buckets.get(name)
        if (bucket === undefined) {
          bucket = { topic: pending.topic, partition, messages: [], owners: [], bytes: 0 }
          buckets.set(name, bucket)
        }
        const size = bytes + RECORD_OVERHEAD_BYTES
        const fits = bucket.bytes + size <= BATCH_BYTES_MAX && requestBytes + size <= REQUEST_BYTES_MAX
        const isAlone = size >= ALONE_BYTES_MIN
        if ((!fits || isAlone) && requestBytes > 0)
          return [...buckets.values()].filter(({ messages }) => messages.length > 0)
        bucket.bytes += size
        requestBytes += size
        bucket.owners.push({ pending, index: pending.sent })
        bucket.messages.push(message)
        if (isAlone) {
          pending.sent++
          return [bucket]
        }
      }
    }
    return [...buckets.values()]
  }

  async #send(buckets: readonly Bucket[]): Promise<void> {
    const byTopic = Map.groupBy(buckets, ({ topic }) => topic.name)
    const topicMessages = [...byTopic].map(([topic, own]) => ({
      topic,
      messages: own.flatMap(({ messages }) => messages),
    }))
    if (this.#isOutgrown(buckets)) await this.#discard()
    this.#producer ??= this.#connect()
    const producer = await this.#producer
    for (const { topic } of buckets) this.#partitions.set(topic.name, topic.partitions)
    const answers = await within(
      REQUEST_DEADLINE_MS,
      producer.sendBatch({ acks: -1, compression: this.#compressionOf(buckets), topicMessages }),
    )
    const bases = new Map(
      answers.map(({ topicName, partition, baseOffset }) => [`${topicName}/${partition}`, baseOffset]),
    )
    for (const { topic, partition, owners } of buckets) {
      const base = Number(bases.get(`${topic.name}/${partition}`) ?? -1)
      if (!(base >= 0)) throw new Error(`the answer has no offset for ${topic.name}/${partition}`)
      owners.forEach(({ pending, index }, at) => {
        pending.offsets[index] = base + at
        pending.answered++
        if (pending.answered === pending.messages.length) this.#give(pending, null)
      })
    }
  }

  #compressionOf(buckets: readonly Bucket[]): number {
    const bytes = buckets.reduce((sum, bucket) => sum + bucket.bytes, 0)
    return bytes >= PACKED_BYTES_MIN * buckets.length ? this.#compression : kafkajs.CompressionTypes.None
  }

  /** A producer that met a topic before partitions were added would leave out what belongs to them. */
  #isOutgrown(buckets: readonly Bucket[]): boolean {
    return buckets.some(({ topic }) => topic.partitions > (this.#partitions.get(topic.name) ?? topic.partitions))
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
      retry: { ...CLIENT_RETRY, retries: 5 },
    })
    await producer.connect()
    return producer
  }

  async #discard(): Promise<void> {
    const producer = this.#producer
    this.#producer = null
    this.#partitions.clear()
    try {
      await (await producer)?.disconnect()
    } catch {
      // It never connected, or the connection is gone, which is what was wanted.
    }
  }

  #give(pending: Pending, error: MillraceError | null): void {
    const at = this.#queue.indexOf(pending)
    if (at >= 0) this.#queue.splice(at, 1)
    if (error === null) pending.resolve(pending.offsets)
    else pending.reject(error)
  }
}

const COMPRESSION = { none: 'None', gzip: 'GZIP', zstd: 'ZSTD' } as const

async function within<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${deadlineMs / 1_000} s`)), deadlineMs)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function overloaded(bytes: number): MillraceError {
  return new MillraceError(
    'OVERLOADED',
    `${bytes} bytes of appends are waiting for Kafka, at most ${IN_FLIGHT_BYTES_MAX} may; retry in a moment with the same ids`,
  )
}
