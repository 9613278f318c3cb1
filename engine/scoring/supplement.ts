/** Vectors of items the model has not seen, in the order of their ids. */
export interface Supplement {
  readonly itemIds: readonly string[]
  /** Row-major. */
  readonly factors: Float32Array
}

/** A copy in the order of the ids, so that ties among supplement items go by index; the factors in shared memory. */
export function inIdOrder({ itemIds, factors }: Supplement, width: number): Supplement {
  const order = Array.from(itemIds.keys()).sort((a, b) => (itemIds[a]! < itemIds[b]! ? -1 : 1))
  const ordered = new Float32Array(new SharedArrayBuffer(factors.byteLength))
  for (const [to, from] of order.entries()) ordered.set(factors.subarray(from * width, (from + 1) * width), to * width)
  return { itemIds: order.map((from) => itemIds[from]!), factors: ordered }
}
