import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FollowHandler } from '../port.ts'
import type { Environment } from './environment.ts'
import { readRecords } from './reader.ts'
import { nextAppend, type TopicState } from './state.ts'

const BATCH_RECORDS_MAX = 1_000

/** Delivers a topic from its start, partition by partition, then whatever comes, until the signal aborts. */
export async function runFollower(
  environment: Environment,
  topic: TopicState,
  signal: AbortSignal,
  handler: FollowHandler,
): Promise<void> {
  const cursors = topic.partitions.map((state) => ({ state, offset: state.startOffset, firstEnd: state.endOffset }))
  let caughtUp = false
  while (!signal.aborted) {
    let delivered = false
    for (const cursor of cursors) {
      const { state } = cursor
      const { records, nextOffset } = readRecords(environment, state, cursor.offset, BATCH_RECORDS_MAX)
      if (nextOffset > cursor.offset) delivered = true
      cursor.offset = nextOffset
      if (records.length === 0) continue
      await handler.onBatch({
        topic: topic.spec.topic,
        partition: state.partition,
        records,
        endOffset: state.endOffset,
      })
      if (signal.aborted) return
    }
    if (!caughtUp && cursors.every((cursor) => cursor.offset >= cursor.firstEnd)) {
      caughtUp = true
      handler.onCaughtUp?.()
    }
    if (delivered || cursors.some((cursor) => cursor.offset < cursor.state.endOffset)) await nextTurn()
    else await nextAppend(topic.partitions, signal)
  }
}
