import { MillraceError } from '../../../schemas/errors.ts'
import { partitionOf } from '../partitioner.ts'
import type { AppendRecord } from '../port.ts'
import { problemOf } from '../record-limits.ts'
import type { PlacedEntry } from './append-run.ts'
import type { PartitionState, TopicState } from './state.ts'

const NO_KEY = Buffer.alloc(0)
const NO_HEADERS: readonly Uint8Array[] = []

/** Encodes records and chooses their partitions. @throws MillraceError INVALID_REQUEST naming the first bad record. */
export function placeRecords(topic: TopicState, records: readonly AppendRecord[], copies = false): PlacedEntry[] {
  const compacts = topic.spec.cleanup === 'compact'
  return records.map((record, index) => {
    const key = record.key === null ? null : Buffer.from(record.key)
    const headers =
      record.headers === undefined
        ? NO_HEADERS
        : Object.entries(record.headers)
            .flat()
            .map((text) => Buffer.from(text))
    const entry = { key, value: record.value, headers }
    const problem = problemOf(entry, { compacts, copies })
    if (problem !== null) {
      throw new MillraceError(
        'INVALID_REQUEST',
        `record ${index} of an append to ${topic.spec.topic} ${problem}; nothing was appended`,
      )
    }
    return { state: topic.partitions[partitionOf(key ?? NO_KEY, topic.partitions.length)] as PartitionState, entry }
  })
}
