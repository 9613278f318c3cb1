import { invariant, MillraceError } from '../../../schemas/errors.ts'
import { type BlockEntry, encodeBlock, entryBytes } from './block.ts'
import type { Environment } from './environment.ts'
import { encodePartition, newestKey, offsetKey, type PartitionRow, type PartitionState, partitionKey } from './state.ts'

const BLOCK_RECORDS_MAX = 256
const BLOCK_BYTES_MAX = 65_536

export interface PlacedEntry {
  readonly state: PartitionState
  readonly entry: BlockEntry
}

export interface AppendJob {
  readonly entries: readonly PlacedEntry[]
  readonly bytes: number
  readonly signal: AbortSignal
  readonly settle: PromiseWithResolvers<readonly number[]>
}

/** What one transaction adds to one partition. */
interface Run {
  readonly state: PartitionState
  readonly entries: BlockEntry[]
  readonly firstOffset: number
  readonly row: PartitionRow & { bytes: number; endOffset: number }
}

/** Gives every entry its offset; jobs whose signal has aborted while they waited are refused and left out. */
export function placeGroup(group: readonly AppendJob[], now: number) {
  const runs = new Map<PartitionState, Run>()
  const placed: { job: AppendJob; offsets: number[] }[] = []
  for (const job of group) {
    if (job.signal.aborted) {
      job.settle.reject(
        new MillraceError('ABORTED', `an append of ${job.entries.length} records was aborted before it was written`),
      )
      continue
    }
    const offsets = job.entries.map(({ state, entry }) => {
      let run = runs.get(state)
      if (run === undefined) {
        run = { state, entries: [], firstOffset: state.endOffset, row: rowAfter(state, now) }
        runs.set(state, run)
      }
      run.entries.push(entry)
      return run.row.endOffset++
    })
    placed.push({ job, offsets })
  }
  return {
    runs: [...runs.values()],
    settle: () => {
      for (const { job, offsets } of placed) job.settle.resolve(offsets)
    },
    fail: (error: unknown) => {
      for (const { job } of placed) job.settle.reject(error)
    },
  }
}

function rowAfter(state: PartitionState, now: number) {
  const { startOffset, endOffset, bytes, newestAppendedAt } = state
  return { startOffset, endOffset, bytes, newestAppendedAt: Math.max(newestAppendedAt, now) }
}

export function stageRun(environment: Environment, run: Run): void {
  const compacts = run.state.topic.spec.cleanup === 'compact'
  const recordsMax = compacts ? 1 : BLOCK_RECORDS_MAX
  for (let from = 0; from < run.entries.length; ) {
    let to = from
    let bytes = 0
    while (to < run.entries.length && to - from < recordsMax && bytes < BLOCK_BYTES_MAX)
      bytes += entryBytes(run.entries[to++] as BlockEntry)
    const block = encodeBlock(run.entries.slice(from, to), run.row.newestAppendedAt)
    run.row.bytes += block.length
    environment.blocks.put(offsetKey(run.state, run.firstOffset + from), block)
    from = to
  }
  if (compacts) stageCompaction(environment, run)
  environment.partitions.put(partitionKey(run.state), encodePartition(run.row))
}

/** Removes what each entry replaces: an older record of its key, in the file or in this very run. */
function stageCompaction(environment: Environment, run: Run): void {
  const newest = new Map<string, number>()
  run.entries.forEach((entry, index) => {
    invariant(entry.key !== null, 'a compact topic got a record without a key')
    const offset = run.firstOffset + index
    const key = newestKey(run.state, entry.key)
    const text = key.toString('latin1')
    const replaced = newest.get(text) ?? environment.newest.get(key)?.readDoubleBE(0)
    if (replaced !== undefined) {
      environment.blocks.remove(offsetKey(run.state, replaced))
      environment.tombstones.remove(offsetKey(run.state, replaced))
    }
    newest.set(text, offset)
    const value = Buffer.allocUnsafeSlow(8)
    value.writeDoubleBE(offset)
    environment.newest.put(key, value)
    if (entry.value === null) environment.tombstones.put(offsetKey(run.state, offset), Buffer.from(entry.key))
  })
}
