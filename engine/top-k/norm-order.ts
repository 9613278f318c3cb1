/** Distinct norms are told apart by the leading bits of their float32 form: sign, exponent and nine bits of fraction. */
const BUCKET_SHIFT = 14

/**
 * Row numbers by falling norm, rows whose norms agree to about a fifth of a percent in their given order: a counting
 * sort, because a nearly sorted order stops a search just as early.
 */
export function normOrder(rows: Float32Array, width: number): Int32Array<ArrayBuffer> {
  const items = rows.length / width
  const norms = new Float32Array(items)
  for (let item = 0; item < items; item++) {
    let squares = 0
    for (let d = item * width; d < (item + 1) * width; d++) squares += rows[d]! * rows[d]!
    norms[item] = Math.sqrt(squares)
  }
  // The bits of positive floats, read as integers, ascend with the floats.
  const bits = new Uint32Array(norms.buffer)
  const starts = new Int32Array((0x7f80_0000 >>> BUCKET_SHIFT) + 2)
  const bucketOf = (item: number): number => (0x7f80_0000 >>> BUCKET_SHIFT) - (bits[item]! >>> BUCKET_SHIFT)
  for (let item = 0; item < items; item++) starts[bucketOf(item) + 1]!++
  for (let bucket = 1; bucket < starts.length; bucket++) starts[bucket]! += starts[bucket - 1]!
  const order = new Int32Array(items)
  for (let item = 0; item < items; item++) order[starts[bucketOf(item)]!++] = item
  return order
}
