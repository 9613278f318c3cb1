import type { Cluster } from 'kafkajs'
import { MillraceError } from '../../../schemas/errors.ts'
import { RECORD_BYTES_MAX } from '../../../schemas/interaction.ts'
import type { LogRecord, PartitionOffsets, Position } from '../port.ts'
import { protocolType, withPatience } from './failure.ts'
import { type FetchedPartition, recordsOf } from './fetched.ts'
import type { Topic } from './topic-table.ts'

const PATIENCE_MS = 10_000
/** Of one answer: enough for the records asked for were each as large as ours may be, and no more than this. */
const READ_BYTES_MAX = 1_048_576
/** One answer of `read` has no more values than this and one fetch: records may be a megabyte each. */
const ANSWER_BYTES_MAX = 16 * 1_048_576
const READ_COMMITTED = 1
const PROMPT_WAIT_MS = 1

interface Waiting {
  readonly signal: AbortSignal
}

/** Reads and asks for offsets without a group, over one shared connection: no request of it waits at the broker. */
export interface PartitionReader {
  read(from: Position, recordsMax: number, options: Waiting): Promise<readonly LogRecord[]>
  offsets(topic: Topic, options: Waiting): Promise<readonly PartitionOffsets[]>
  offsetAtTime(topic: Topic, partition: number, timeMs: number, options: Waiting): Promise<number>
}

export function createPartitionReader(cluster: Cluster): PartitionReader {
  async function list(topic: Topic, moment: { fromBeginning: boolean } | { fromTimestamp: number }): Promise<number[]> {
    const partitions = Array.from({ length: topic.partitions }, (_, partition) => ({ partition }))
    await cluster.addTargetTopic(topic.name)
    const [answer] = await cluster.fetchTopicsOffset([{ topic: topic.name, partitions, ...moment }])
    const offsets = new Array<number>(topic.partitions).fill(-1)
    for (const { partition, offset } of answer?.partitions ?? []) offsets[partition] = Number(offset)
    return offsets
  }

  async function offsets(topic: Topic, { signal }: Waiting): Promise<readonly PartitionOffsets[]> {
    const what = `offsets of ${topic.name} cannot be read`
    return withPatience(cluster, { what, patienceMs: PATIENCE_MS, signal }, async () => {
      const [starts, ends] = await Promise.all([
        list(topic, { fromBeginning: true }),
        list(topic, { fromBeginning: false }),
      ])
      return starts.map((startOffset, partition) => {
        const endOffset = ends[partition] as number
        return { topic: topic.name, partition, startOffset, endOffset }
      })
    })
  }

  /** Passes gaps; ends with the first fetch that has records, at the end, or with null when the offset is out of range. */
  async function fetchFrom(from: Position, recordsMax: number): Promise<readonly LogRecord[] | null> {
    let { offset } = from
    while (true) {
      let fetched: FetchedPartition | null
      try {
        fetched = await fetchOnce(cluster, { ...from, offset }, Math.min(READ_BYTES_MAX, recordsMax * RECORD_BYTES_MAX))
      } catch (error) {
        if (protocolType(error) === 'OFFSET_OUT_OF_RANGE') return null
        throw error
      }
      if (fetched === null) return []
      const { records, nextOffset, endOffset } = recordsOf(from.topic, fetched, offset)
      if (records.length > 0 || nextOffset >= endOffset || nextOffset === offset) return records
      offset = nextOffset
    }
  }

  return {
    async read(from, recordsMax, { signal }) {
      const what = `${from.topic}/${from.partition} cannot be read from offset ${from.offset}`
      return withPatience(cluster, { what, patienceMs: PATIENCE_MS, signal }, async () => {
        await cluster.addTargetTopic(from.topic)
        const records: LogRecord[] = []
        let { offset } = from
        let bytes = 0
        while (records.length < recordsMax && bytes < ANSWER_BYTES_MAX) {
          let more = await fetchFrom({ ...from, offset }, recordsMax)
          if (more === null) {
            const partitions = cluster.findTopicPartitionMetadata(from.topic).length
            const known = await offsets({ name: from.topic, partitions, compacts: false }, { signal })
            const startOffset = known[from.partition]?.startOffset ?? 0
            more = offset < startOffset ? await fetchFrom({ ...from, offset: startOffset }, recordsMax) : []
          }
          if (more === null || more.length === 0) break
          for (const record of more) {
            if (records.length === recordsMax) break
            records.push(record)
            bytes += record.value?.length ?? 0
          }
          offset = (records.at(-1)?.offset ?? offset) + 1
        }
        return records
      })
    },
    offsets,
    async offsetAtTime(topic, partition, timeMs, { signal }) {
      const what = `the offset of ${topic.name}/${partition} at a time cannot be read`
      const fromTimestamp = Math.max(0, Math.ceil(timeMs))
      const found = await withPatience(cluster, { what, patienceMs: PATIENCE_MS, signal }, () =>
        list(topic, { fromTimestamp }),
      )
      const offset = found[partition] ?? -1
      return offset >= 0 ? offset : ((await offsets(topic, { signal }))[partition]?.endOffset ?? 0)
    },
  }
}

async function fetchOnce(
  cluster: Cluster,
  { topic, partition, offset }: Position,
  bytesMax: number,
): Promise<FetchedPartition | null> {
  const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  if (leader === undefined) throw new MillraceError('LOG_UNAVAILABLE', `${topic}/${partition} has no leader now`)
  const broker = await cluster.findBroker({ nodeId: leader })
  const answer = (await broker.fetch({
    isolationLevel: READ_COMMITTED,
    maxWaitTime: PROMPT_WAIT_MS,
    minBytes: 0,
    maxBytes: bytesMax,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: bytesMax }] }],
  })) as { responses: { partitions: FetchedPartition[] }[] }
  return answer.responses[0]?.partitions[0] ?? null
}
