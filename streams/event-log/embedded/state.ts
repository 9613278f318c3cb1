import type { TopicSpec } from '../port.ts'
import type { Environment } from './environment.ts'

/** One partition as its file has it: what is here is on the disk, so readers never see what a crash could take back. */
export interface PartitionState {
  readonly topic: TopicState
  readonly partition: number
  startOffset: number
  endOffset: number
  /** Of the blocks that are kept; counted for `delete` topics. */
  bytes: number
  newestAppendedAt: number
  /** Called once, at the next append. */
  readonly waiters: Set<() => void>
}

export interface TopicState {
  readonly number: number
  readonly spec: TopicSpec
  readonly partitions: readonly PartitionState[]
}

export function createTopicState(environment: Environment, number: number, spec: TopicSpec): TopicState {
  const partitions: PartitionState[] = []
  const topic: TopicState = { number, spec, partitions }
  for (let partition = 0; partition < spec.partitions; partition++) {
    const state = {
      topic,
      partition,
      startOffset: 0,
      endOffset: 0,
      bytes: 0,
      newestAppendedAt: 0,
      waiters: new Set<() => void>(),
    }
    loadPartition(environment, state)
    partitions.push(state)
  }
  return topic
}

/** Brings a state back to what the file holds, e.g. after a failed write. */
export function loadPartition(environment: Environment, state: PartitionState): void {
  const row = environment.partitions.get(partitionKey(state))
  if (row === undefined) return
  state.startOffset = row.readDoubleBE(0)
  state.endOffset = row.readDoubleBE(8)
  state.bytes = row.readDoubleBE(16)
  state.newestAppendedAt = row.readDoubleBE(24)
}

export type PartitionRow = Pick<PartitionState, 'startOffset' | 'endOffset' | 'bytes' | 'newestAppendedAt'>

export function encodePartition(row: PartitionRow): Buffer {
  const bytes = Buffer.allocUnsafeSlow(32)
  bytes.writeDoubleBE(row.startOffset, 0)
  bytes.writeDoubleBE(row.endOffset, 8)
  bytes.writeDoubleBE(row.bytes, 16)
  bytes.writeDoubleBE(row.newestAppendedAt, 24)
  return bytes
}

export function partitionKey(state: PartitionState): Buffer {
  const key = Buffer.allocUnsafe(6)
  key.writeUInt16BE(state.topic.number, 0)
  key.writeUInt32BE(state.partition, 2)
  return key
}

/** Sorts by partition, then offset. */
export function offsetKey(state: PartitionState, offset: number): Buffer {
  const key = Buffer.allocUnsafe(12)
  key.writeUInt16BE(state.topic.number, 0)
  key.writeUInt32BE(state.partition, 2)
  key.writeUIntBE(offset, 6, 6)
  return key
}

export function offsetOf(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).readUIntBE(6, 6)
}

export function newestKey(state: PartitionState, recordKey: Uint8Array): Buffer {
  return Buffer.concat([partitionKey(state), recordKey])
}

/** Resolves at the partition's next append, or when the signal aborts. */
export function nextAppend(states: readonly PartitionState[], signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const wake = () => {
      for (const state of states) state.waiters.delete(wake)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    for (const state of states) state.waiters.add(wake)
    signal.addEventListener('abort', wake)
  })
}
