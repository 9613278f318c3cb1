import type { LogRecord } from '../port.ts'
import { blockSize, decodeBlock } from './block.ts'
import type { Environment } from './environment.ts'
import { offsetKey, offsetOf, type PartitionState, partitionKey } from './state.ts'

/** A read stops after the block that passes this. */
const READ_BYTES_MAX = 1_048_576

export interface ReadResult {
  readonly records: readonly LogRecord[]
  /** Where the next read goes on; behind `fromOffset` also when compaction left nothing to return. */
  readonly nextOffset: number
}

/** Up to `recordsMax` records from `fromOffset`, or from the oldest after it. */
export function readRecords(
  environment: Environment,
  state: PartitionState,
  fromOffset: number,
  recordsMax: number,
): ReadResult {
  const from = Math.max(fromOffset, state.startOffset)
  const end = state.endOffset
  if (from >= end) return { records: [], nextOffset: from }
  const records: LogRecord[] = []
  let bytes = 0
  const start = offsetKey(state, baseOffset(environment, state, from))
  for (const { key, value } of environment.blocks.getRange({ start, end: offsetKey(state, end) })) {
    const base = { topic: state.topic.spec.topic, partition: state.partition, offset: offsetOf(key) }
    bytes += decodeBlock(value, base, { fromOffset: from, recordsMax }, records)
    if (records.length >= recordsMax || bytes >= READ_BYTES_MAX) break
  }
  const last = records.at(-1)
  return { records, nextOffset: last === undefined ? end : last.offset + 1 }
}

/** Oldest offset appended at or after `timeMs`; append times never decrease, so halving the offsets finds it. */
export function firstOffsetAt(environment: Environment, state: PartitionState, timeMs: number): number {
  let low = state.startOffset
  let high = state.endOffset
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const block = blockAtOrAfter(environment, state, middle)
    if (block === null || block.appendedAt >= timeMs) high = Math.min(middle, block?.offset ?? middle)
    else low = block.offset + block.records
  }
  return low
}

function blockAtOrAfter(environment: Environment, state: PartitionState, offset: number) {
  const start = offsetKey(state, baseOffset(environment, state, offset))
  for (const { key, value } of environment.blocks.getRange({ start, end: offsetKey(state, state.endOffset) })) {
    const block = { offset: offsetOf(key), ...blockSize(value) }
    if (block.offset + block.records > offset) return block
  }
  return null
}

/** Base offset of the newest block that starts at or before `offset`; `offset` itself when there is none. */
function baseOffset(environment: Environment, state: PartitionState, offset: number): number {
  const before = { start: offsetKey(state, offset), end: partitionKey(state), reverse: true, limit: 1 }
  for (const key of environment.blocks.getKeys(before)) return offsetOf(key)
  return offset
}
