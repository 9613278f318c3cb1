import { MillraceError } from '../../schemas/errors.ts'
import { instantiateTopKKernels } from '../kernels/top-k-kernels.ts'
import { layOutShard, planOf } from './layout.ts'
import { normOrder } from './norm-order.ts'

/** Copies `factors` (items x width, row-major) into a memory of its own, ordered and quantised for search. */
export function fillShardMemory(factors: Float32Array, width: number): WebAssembly.Memory {
  const items = factors.length / width
  const layout = layOutShard(items, width)
  const memory = allocate(layout.end, items, width)
  const ints = (offset: number, length: number): Int32Array => new Int32Array(memory.buffer, offset, length)
  ints(layout.plan, 16).set(planOf(layout, items, width))
  const order = ints(layout.order, items)
  order.set(normOrder(factors, width))
  const positions = ints(layout.positions, items)
  for (let position = 0; position < items; position++) positions[order[position]!] = position
  const rows = new Float32Array(memory.buffer, layout.rows, items * layout.stride)
  copyRows(factors, width, order, rows, layout.stride)
  instantiateTopKKernels(memory).quantize(layout.plan)
  return memory
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
