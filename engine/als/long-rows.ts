import type { AlsKernels } from '../kernels/als-kernels.ts'
import type { Layout } from './layout.ts'
import type { SharedState, Side } from './shared-state.ts'

/** Vectors of more bytes leave a processor's own cache between two passes over a row. */
const LONG_BYTES = 768 * 1_024

/** Bytes of a tile of the other side: a good part of that cache. */
const TILE_BYTES = 512 * 1_024

/** A long row has so many observations in a tile, or tiles do not pay. */
const TILE_OBSERVATIONS = 16

/** Most rows of a group; their numbers come first in a thread's scratch. */
const GROUP_ROWS = 256
export const GROUP_BYTES = GROUP_ROWS * 4

export interface LongRows {
  /** Rows of more observations are in a group. */
  readonly longest: number
  /** Rows of the other side in a tile. */
  readonly tileRows: number
  readonly groups: readonly {
    readonly rows: Int32Array
    /** A vector of the other side is used about once or more by the group. */
    readonly shared: boolean
  }[]
}

/**
 * The rows of a side that are improved together (engine/kernels/assembly/_together.ts), those with most observations first,
 * in groups that their threads' scratch can hold and that keep all threads busy. Groups depend on the number of threads,
 * results do not.
 */
export function longRows(kernels: AlsKernels, layout: Layout, state: SharedState, side: Side): LongRows {
  const { width, interactions, threads, scratchBytes } = layout
  const { rowPointers } = side.name === 'users' ? state.matrix : state.transposed
  const tileRows = Math.floor(TILE_BYTES / (width * 2))
  const longest = Math.ceil(Math.max(LONG_BYTES / (width * 2), (TILE_OBSERVATIONS * side.otherRows) / tileRows))
  const count = (row: number): number => rowPointers[row + 1]! - rowPointers[row]!
  const long: number[] = []
  for (let row = 0; row < side.rows; row++) if (count(row) > longest) long.push(row)
  long.sort((left, right) => count(right) - count(left) || left - right)
  const rowsMax = Math.min(GROUP_ROWS, kernels.rowsTogether(width, scratchBytes - GROUP_BYTES))
  const observationsMax = interactions / (2 * threads)
  const groups: { rows: Int32Array; shared: boolean }[] = []
  for (let from = 0; from < long.length; ) {
    let to = from
    let observations = 0
    do observations += count(long[to++]!)
    while (to < long.length && to - from < rowsMax && observations + count(long[to]!) <= observationsMax)
    groups.push({ rows: Int32Array.from(long.slice(from, to)), shared: observations >= side.otherRows })
    from = to
  }
  return { longest, tileRows, groups }
}
