/** A place in the log. Offsets count records of one partition from 0. */
export interface Position {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface AppendRecord {
  /** Decides the partition (murmur2, as Kafka's default partitioner) and, on compact topics, what is replaced.
   * null (any partition, refused by compact topics) is there for copies of records that came without one. */
  readonly key: string | null
  /** null is a tombstone; only compact topics take it. */
  readonly value: Uint8Array | null
  readonly headers?: Readonly<Record<string, string>>
}

export interface LogRecord extends Position {
  readonly key: string | null
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  /** The log's clock at the append, epoch milliseconds; never decreases within a partition. */
  readonly appendedAt: number
}

export interface TopicSpec {
  readonly topic: string
  readonly partitions: number
  /** `delete`: old records go by time and size. `compact`: the newest value per key stays. */
  readonly cleanup: 'delete' | 'compact'
  readonly retentionMs?: number
  /** Per partition. */
  readonly retentionBytes?: number
  /** Largest record in bytes, where the log has such a limit; by default the log's own. */
  readonly recordBytesMax?: number
}

export interface PartitionOffsets {
  readonly topic: string
  readonly partition: number
  /** Oldest offset that can still be read. */
  readonly startOffset: number
  /** The offset the next record will get. */
  readonly endOffset: number
}

export interface LogBatch {
  readonly topic: string
  readonly partition: number
  /** At least one, ascending offsets, one partition. Compaction and retention leave gaps. */
  readonly records: readonly LogRecord[]
  /** The partition's end when the batch was read: endOffset - last offset - 1 records are still behind it. */
  readonly endOffset: number
}

export interface AssignedPartition {
  readonly topic: string
  readonly partition: number
  /** Next offset to read by the group's commit; null when the group never committed here. */
  readonly committedOffset: number | null
  readonly startOffset: number
  readonly endOffset: number
}

export interface GroupHandler {
  /**
   * Called with each new assignment before its first batch. Returns where to start: one offset per partition named
   * `topic/partition`; partitions left out start at the committed offset, or at the log's start without one.
   */
  onAssigned?(assigned: readonly AssignedPartition[], signal: AbortSignal): Promise<ReadonlyMap<string, number>>
  /** Called after the partitions' last batch has ended and before anyone else gets them. */
  onRevoked?(revoked: readonly { topic: string; partition: number }[]): Promise<void>
  /**
   * Works on one batch; batches of a partition never overlap, those of different partitions may. Resolving commits the
   * offset after the batch, within a fraction of a second and before the partition goes to anyone else.
   * Throwing stops the subscription: `consume` rejects with that error and nothing of the batch is committed
   * (bounded retries are streams/consume.ts's business).
   * Call `heartbeat` at least every few seconds of work; `signal` aborts when the partition is lost or on shutdown.
   */
  onBatch(batch: LogBatch, control: { heartbeat(): Promise<void>; signal: AbortSignal }): Promise<void>
}

export interface ConsumeOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly batchRecordsMax: number
  /**
   * For who would rather have many records than each at once: the log may hold a few back for so long. Absent: it does not.
   */
  readonly gatherMs?: number
  readonly signal: AbortSignal
}

export interface FollowHandler {
  onBatch(batch: LogBatch): Promise<void> | void
  /** Called once, when everything that was in the topic at the start has been delivered. */
  onCaughtUp?(): void
}

/**
 * An append-only, partitioned, durable log.
 *
 * Guarantees: `append` resolves only when every record is durable (it survives kill -9 and power loss) and returns
 * positions in input order; records of one call and key keep their order. Delivery is at least once and in order
 * within a partition. Each partition of a topic is worked on by one member of a group at a time. Progress is committed
 * to the group after each batch. All calls are safe concurrently; dispose is idempotent and waits for running appends.
 * Not guaranteed: order across partitions; atomicity of an append across partitions; exactly-once delivery.
 *
 * Errors: LOG_UNAVAILABLE (nothing was acknowledged; retry with the same ids), OVERLOADED (in-flight bytes at their
 * limit), LOG_RESET (a committed offset lies beyond the log's end), INVALID_REQUEST (unknown topic, record too large),
 * DISK_FULL, ABORTED.
 */
export interface EventLog extends AsyncDisposable {
  /** Identity of this log, the same in every process and after every restart; part of read-your-writes tokens. */
  readonly id: string
  /** Creates missing topics; keeps existing ones (partitions are never reduced, a topic is never re-created). */
  ensureTopics(topics: readonly TopicSpec[], options: { signal: AbortSignal }): Promise<void>
  /** `copies`: of records that the log has taken already, whoever produced them; they may be larger than our own. */
  append(
    topic: string,
    records: readonly AppendRecord[],
    options: { signal: AbortSignal; copies?: boolean },
  ): Promise<readonly Position[]>
  /** Member of a consumer group until `signal` aborts; resolves after the last batch is committed. */
  consume(options: ConsumeOptions, handler: GroupHandler): Promise<void>
  /** Reads a topic from its start and then whatever comes, without a group, until `signal` aborts. */
  follow(options: { topic: string; signal: AbortSignal }, handler: FollowHandler): Promise<void>
  /** Up to `recordsMax` records from `fromOffset` (or the oldest after it). Empty at the end. */
  read(from: Position, recordsMax: number, options: { signal: AbortSignal }): Promise<readonly LogRecord[]>
  offsets(topic: string, options: { signal: AbortSignal }): Promise<readonly PartitionOffsets[]>
  /** First offset appended at or after `timeMs`; the end offset when there is none. */
  offsetAtTime(topic: string, partition: number, timeMs: number, options: { signal: AbortSignal }): Promise<number>
  /** Next offset to read per partition; null for a partition the group never committed. */
  committed(group: string, topic: string, options: { signal: AbortSignal }): Promise<readonly (number | null)[]>
  commit(group: string, next: readonly Position[], options: { signal: AbortSignal }): Promise<void>
}
