import { blockSize } from './block.ts'
import type { Environment } from './environment.ts'
import { encodePartition, newestKey, offsetKey, offsetOf, type PartitionState, partitionKey } from './state.ts'
import type { Writer } from './writer.ts'

/** How long a tombstone stays readable, so that every follower learns of it. */
export const TOMBSTONE_RETENTION_MS = 24 * 3_600_000
/** Entries one transaction removes at most: the bound on how long appends wait for it. */
const STEP_ENTRIES_MAX = 500

/** Removes what retention lets go, in steps between which appends go on. Returns the removed blocks and tombstones. */
export async function enforceRetention(
  environment: Environment,
  writer: Writer,
  partitions: Iterable<PartitionState>,
  now: number,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0
  for (const state of partitions) {
    const step = state.topic.spec.cleanup === 'delete' ? stageRemovalOfOldest : stageRemovalOfTombstones
    while (!signal.aborted) {
      let inStep = 0
      await writer.exclusive(() => {
        const staged = step(environment, state, now)
        inStep = staged.removed
        return staged.finish
      })
      removed += inStep
      if (inStep < STEP_ENTRIES_MAX) break
    }
  }
  return removed
}

interface StagedStep {
  readonly removed: number
  readonly finish: () => void
}

function stageRemovalOfOldest(environment: Environment, state: PartitionState, now: number): StagedStep {
  const { retentionMs = Infinity, retentionBytes = Infinity } = state.topic.spec
  let { startOffset, bytes } = state
  let removed = 0
  const range = { start: partitionKey(state), end: offsetKey(state, state.endOffset), limit: STEP_ENTRIES_MAX }
  for (const { key, value } of environment.blocks.getRange(range)) {
    const { records, appendedAt } = blockSize(value)
    if (appendedAt >= now - retentionMs && bytes <= retentionBytes) break
    environment.blocks.remove(key)
    startOffset = offsetOf(key) + records
    bytes -= value.length
    removed++
  }
  if (removed > 0) environment.partitions.put(partitionKey(state), encodePartition({ ...state, startOffset, bytes }))
  return { removed, finish: () => Object.assign(state, { startOffset, bytes }) }
}

function stageRemovalOfTombstones(environment: Environment, state: PartitionState, now: number): StagedStep {
  let removed = 0
  const range = { start: partitionKey(state), end: offsetKey(state, state.endOffset), limit: STEP_ENTRIES_MAX }
  for (const { key, value: recordKey } of environment.tombstones.getRange(range)) {
    const block = environment.blocks.get(key)
    if (block !== undefined && blockSize(block).appendedAt >= now - TOMBSTONE_RETENTION_MS) break
    environment.blocks.remove(key)
    environment.tombstones.remove(key)
    environment.newest.remove(newestKey(state, recordKey))
    removed++
  }
  return { removed, finish: () => {} }
}
