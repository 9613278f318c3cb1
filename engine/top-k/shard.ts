import { instantiateTopKKernels } from '../kernels/top-k-kernels.ts'
import type { TopQuery, TopResult } from '../scoring/port.ts'
import { forEachAllowed, isSparse } from './allowed.ts'
import { layOutShard, SCORE_BATCH } from './layout.ts'

/** Vectors in one memory with the kernel over it. */
export interface Shard {
  readonly items: number
  top(query: TopQuery): TopResult
  scores(vector: Float32Array, items: Int32Array): Float32Array
}

/** Opens a memory that shard-memory.ts has filled, on any thread, but on one at a time. */
export function openShard(memory: WebAssembly.Memory, items: number, width: number): Shard {
  const layout = layOutShard(items, width)
  const kernels = instantiateTopKKernels(memory)
  const ints = (offset: number, length: number): Int32Array => new Int32Array(memory.buffer, offset, length)
  const floats = (offset: number, length: number): Float32Array => new Float32Array(memory.buffer, offset, length)
  const bytes = (offset: number, length: number): Uint8Array => new Uint8Array(memory.buffer, offset, length)

  const positions = ints(layout.positions, items)
  const blocked = bytes(layout.blocked, items)
  const mask = bytes(layout.mask, items)
  const query = floats(layout.query, width)
  const list = ints(layout.survivors, SCORE_BATCH)
  const listScores = floats(layout.scores, SCORE_BATCH)
  const mark = (excluded: Int32Array, value: 0 | 1): void => {
    for (let i = 0; i < excluded.length; i++) blocked[positions[excluded[i]!]!] = value
  }
  const searchAll = (k: number, allow: Uint8Array | undefined): number => {
    if (allow !== undefined) mask.set(allow)
    return kernels.top(layout.plan, k, allow === undefined ? 0 : 1)
  }
  /** Scores what is allowed one by one: of few, no bound could leave many out. */
  const searchAllowed = (k: number, allow: Uint8Array): number => {
    let [listed, size] = [0, 0]
    const offer = (): void => {
      size = kernels.offer(layout.plan, listed, size, k)
      listed = 0
    }
    forEachAllowed(allow, (item) => {
      const position = positions[item]!
      if (blocked[position] === 1) return
      list[listed++] = position
      if (listed === SCORE_BATCH) offer()
    })
    if (listed > 0) offer()
    kernels.rank(layout.plan, size)
    return size
  }
  return {
    items,
    top({ vector, k, exclude, allow }) {
      query.set(vector)
      if (exclude !== undefined) mark(exclude, 1)
      const found = allow !== undefined && isSparse(allow) ? searchAllowed(k, allow) : searchAll(k, allow)
      if (exclude !== undefined) mark(exclude, 0)
      return {
        items: ints(layout.heapItems, found).slice(),
        scores: floats(layout.heapScores, found).slice(),
      }
    },
    scores(vector, wanted) {
      query.set(vector)
      const scores = new Float32Array(wanted.length)
      for (let from = 0; from < wanted.length; from += SCORE_BATCH) {
        const count = Math.min(SCORE_BATCH, wanted.length - from)
        for (let i = 0; i < count; i++) list[i] = positions[wanted[from + i]!]!
        kernels.scorePositions(layout.plan, layout.survivors, count, layout.scores)
        scores.set(listScores.subarray(0, count), from)
      }
      return scores
    },
  }
}
