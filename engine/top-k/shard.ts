import { MillraceError } from '../../schemas/errors.ts'
import { instantiateTopKKernels } from '../kernels/top-k-kernels.ts'
import type { TopQuery, TopResult } from '../scoring/port.ts'
import { layOutShard, planOf, SCORE_BATCH } from './layout.ts'
import { normOrder } from './norm-order.ts'

/** Vectors in one memory with the kernel over it. */
export interface Shard {
  readonly items: number
  top(query: TopQuery): TopResult
  scores(vector: Float32Array, items: Int32Array): Float32Array
}

/** Copies `factors` (items x width, row-major) into a memory of its own, ordered and quantised for search. */
export function createShard(factors: Float32Array, width: number): Shard {
  const items = factors.length / width
  const layout = layOutShard(items, width)
  const memory = allocate(layout.end, items, width)
  const kernels = instantiateTopKKernels(memory)
  const ints = (offset: number, length: number): Int32Array => new Int32Array(memory.buffer, offset, length)
  const floats = (offset: number, length: number): Float32Array => new Float32Array(memory.buffer, offset, length)
  const bytes = (offset: number, length: number): Uint8Array => new Uint8Array(memory.buffer, offset, length)

  ints(layout.plan, 16).set(planOf(layout, items, width))
  const order = ints(layout.order, items)
  order.set(normOrder(factors, width))
  const positions = new Int32Array(items)
  for (let position = 0; position < items; position++) positions[order[position]!] = position
  copyRows(factors, width, order, floats(layout.rows, items * layout.stride), layout.stride)
  kernels.quantize(layout.plan)

  const blocked = bytes(layout.blocked, items)
  const mask = bytes(layout.mask, items)
  const query = floats(layout.query, width)
  const list = ints(layout.survivors, SCORE_BATCH)
  const listScores = floats(layout.scores, SCORE_BATCH)
  const mark = (excluded: Int32Array, value: 0 | 1): void => {
    for (let i = 0; i < excluded.length; i++) blocked[positions[excluded[i]!]!] = value
  }
  return {
    items,
    top({ vector, k, exclude, allow }) {
      query.set(vector)
      if (allow !== undefined) mask.set(allow)
      if (exclude !== undefined) mark(exclude, 1)
      const found = kernels.top(layout.plan, k, allow === undefined ? 0 : 1)
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

function allocate(bytes: number, items: number, width: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / 65_536)
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  } catch (cause) {
    const message = `an index of ${items} items of ${width} factors needs ${bytes} bytes, which this machine does not give`
    throw new MillraceError('TOO_LARGE_FOR_MEMORY', message, { cause })
  }
}

/** Rows in the given order, padded with zeros to `stride`. */
function copyRows(factors: Float32Array, width: number, order: Int32Array, rows: Float32Array, stride: number): void {
  for (let position = 0; position < order.length; position++) {
    const from = order[position]! * width
    const to = position * stride
    for (let d = 0; d < width; d++) rows[to + d] = factors[from + d]!
  }
}
