/** Vectors of items the model has not seen, in the order of their ids, so that ties among them go by index. */
export interface Supplement {
  readonly itemIds: readonly string[]
  /** Row-major. */
  readonly factors: Float32Array
}

/** Places of the ids in their ascending order. */
export function idOrder(itemIds: readonly string[]): Int32Array {
  return Int32Array.from(Array.from(itemIds.keys()).sort((a, b) => (itemIds[a]! < itemIds[b]! ? -1 : 1)))
}

/** The rows in that order, in shared memory. */
export function inOrder(factors: Float32Array, order: Int32Array, width: number): Float32Array {
  const ordered = new Float32Array(new SharedArrayBuffer(factors.byteLength))
  for (const [to, from] of order.entries()) ordered.set(factors.subarray(from * width, (from + 1) * width), to * width)
  return ordered
}
