import { MillraceError } from '../../../schemas/errors.ts'
import { partitionOf } from '../partitioner.ts'
import type { AppendRecord } from '../port.ts'
import { problemOf } from '../record-limits.ts'
import type { PlacedMessage } from './sender.ts'
import type { Topic } from './topic-table.ts'

const NO_KEY = Buffer.alloc(0)

/** Encodes records and chooses their partitions. @throws MillraceError INVALID_REQUEST naming the first bad record. */
export function placeMessages(topic: Topic, records: readonly AppendRecord[], copies = false): PlacedMessage[] {
  return records.map((record, index) => {
    const key = record.key === null ? null : Buffer.from(record.key)
    const value = record.value === null ? null : bufferOver(record.value)
    const names = Object.entries(record.headers ?? {})
    const headers = names.flat().map((text) => Buffer.from(text))
    const problem = problemOf({ key, value, headers }, { compacts: topic.compacts, copies })
    if (problem !== null) {
      throw new MillraceError(
        'INVALID_REQUEST',
        `record ${index} of an append to ${topic.name} ${problem}; nothing was appended`,
      )
    }
    const partition = partitionOf(key ?? NO_KEY, topic.partitions)
    const message = { key, value, partition, ...(names.length === 0 ? {} : { headers: record.headers ?? {} }) }
    const bytes = headers.reduce((sum, text) => sum + text.length, (key?.length ?? 0) + (value?.length ?? 0))
    return { partition, message, bytes }
  })
}

function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
