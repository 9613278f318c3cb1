import { MillraceError } from '../../schemas/errors.ts'
import { paddedWidth } from '../kernels/als-kernels.ts'

/** Fixed number of partial Gram matrices, so that sums do not depend on the number of threads. */
export const STRIPES = 16

/** Rows taken from the queue at a time. */
export const CHUNK_ROWS = 64

const PAGE_BYTES = 65_536
const PAGES_MAX = 65_536

/** Byte offsets of everything in the one shared memory. `width` is the padded number of factors. */
export interface Layout {
  readonly users: number
  readonly items: number
  readonly interactions: number
  readonly factors: number
  readonly width: number
  readonly threads: number
  readonly userFactors: number
  readonly itemFactors: number
  readonly userPointers: number
  readonly userIndices: number
  readonly userStrengths: number
  readonly itemPointers: number
  readonly itemIndices: number
  readonly itemStrengths: number
  readonly userRegularizations: number
  readonly itemRegularizations: number
  /** STRIPES matrices of float64; the first becomes their sum. */
  readonly stripes: number
  /** The side that is not solved for, packed to 2 bytes a number (engine/kernels/assembly/_passes.ts). */
  readonly packed: number
  /** Into the basis in which the weighted Gram matrix is diagonal: width x width, float32. */
  readonly rotation: number
  /** That diagonal, float32. */
  readonly curvature: number
  /** Mean squares of the other side's factors over all observations, float32; before it, float64 partial sums by stripe. */
  readonly spread: number
  readonly squares: number
  /** One float64 a chunk of users or items. */
  readonly losses: number
  /** Int32: barrier count, barrier generation, next chunk. */
  readonly control: number
  /** Scratch of each thread. */
  readonly scratch: number
  readonly scratchBytes: number
  readonly pages: number
}

/** Throws TOO_LARGE_FOR_MEMORY where 4 GiB, the most a WebAssembly memory can hold, are not enough. */
export function layOut(size: Pick<Layout, 'users' | 'items' | 'interactions' | 'factors' | 'threads'>): Layout {
  const { users, items, interactions, factors, threads } = size
  const width = paddedWidth(factors)
  let end = PAGE_BYTES
  const place = (bytes: number): number => {
    const start = end
    end += Math.ceil(bytes / 64) * 64
    return start
  }
  const scratchBytes = (2 * width + 80) * width * 8 + 16_384
  const offsets = {
    userFactors: place(users * width * 4),
    itemFactors: place(items * width * 4),
    userPointers: place((users + 1) * 4),
    userIndices: place(interactions * 4),
    userStrengths: place(interactions * 4),
    itemPointers: place((items + 1) * 4),
    itemIndices: place(interactions * 4),
    itemStrengths: place(interactions * 4),
    userRegularizations: place(users * 8),
    itemRegularizations: place(items * 8),
    stripes: place(STRIPES * width * width * 8),
    packed: place(Math.max(users, items) * width * 2),
    rotation: place(width * width * 4),
    curvature: place(width * 4),
    spread: place(width * 4),
    squares: place(STRIPES * width * 8),
    losses: place(Math.ceil(Math.max(users, items) / CHUNK_ROWS) * 8),
    control: place(64),
    scratch: place(scratchBytes * threads),
  }
  const pages = Math.ceil(end / PAGE_BYTES)
  if (pages > PAGES_MAX) {
    throw new MillraceError(
      'TOO_LARGE_FOR_MEMORY',
      `training ${users} users, ${items} items and ${interactions} interactions with ${factors} factors needs ` +
        `${(end / 2 ** 30).toFixed(2)} GiB of shared memory, 4 GiB at most; use fewer factors, or train elsewhere`,
    )
  }
  return { ...size, width, ...offsets, scratchBytes, pages }
}
