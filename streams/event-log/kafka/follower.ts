import type { Cluster } from 'kafkajs'
import type { FollowHandler, PartitionOffsets } from '../port.ts'
import { createCursor, Fetcher } from './fetcher.ts'

const BATCH_RECORDS_MAX = 1_000

/**
 * Delivers a topic from its start, partition by partition, then whatever comes, until the signal aborts. Partitions added
 * later are not followed: followed topics are compacted and never grow.
 */
export async function runFollower(
  parts: {
    readonly cluster: Cluster
    readonly topic: string
    offsets(signal: AbortSignal): Promise<readonly PartitionOffsets[]>
  },
  signal: AbortSignal,
  handler: FollowHandler,
): Promise<void> {
  const { cluster, topic, offsets } = parts
  const known = await offsets(signal)
  await cluster.addTargetTopic(topic)
  const cursors = known.map(({ partition, startOffset, endOffset }) => ({
    ...createCursor(topic, partition, startOffset, endOffset),
    delivered: startOffset,
    firstEnd: endOffset,
  }))
  const stop = new AbortController()
  const ended = AbortSignal.any([signal, stop.signal])
  const fetcher = new Fetcher({
    ...{ cluster, cursors, gatherMs: 0, signal: ended },
    startOffsetOf: async ({ partition }) => (await offsets(ended))[partition]?.startOffset ?? 0,
  })
  let caughtUp = false
  try {
    while (!signal.aborted) {
      for (const cursor of cursors) {
        const taken = fetcher.take(cursor, BATCH_RECORDS_MAX)
        cursor.delivered = taken?.nextOffset ?? cursor.fetchOffset
        if (taken === null) continue
        await handler.onBatch({
          topic,
          partition: cursor.partition,
          records: taken.records,
          endOffset: cursor.endOffset,
        })
        if (signal.aborted) return
      }
      if (!caughtUp && cursors.every(({ delivered, firstEnd }) => delivered >= firstEnd)) {
        caughtUp = true
        handler.onCaughtUp?.()
      }
      if (cursors.every((cursor) => cursor.queue.length === 0 && cursor.fetchOffset === cursor.delivered)) {
        await Promise.race([fetcher.done, ...cursors.map((cursor) => fetcher.arrival(cursor))])
      }
    }
  } finally {
    stop.abort()
    await fetcher.done
  }
}
