/**
 * The score every path reports: a float32 dot product in four lanes, lane l summing dimensions l, l + 4, l + 8, ... in
 * order, then (lane 0 + lane 1) + (lane 2 + lane 3). Each product and each sum is rounded to float32.
 */
export function dotTwin(a: Float32Array, aOffset: number, b: Float32Array, bOffset: number, width: number): number {
  const lanes = new Float32Array(4)
  const product = new Float32Array(1)
  for (let d = 0; d < width; d++) {
    product[0] = a[aOffset + d]! * b[bOffset + d]!
    lanes[d & 3]! += product[0]!
  }
  return Math.fround(Math.fround(lanes[0]! + lanes[1]!) + Math.fround(lanes[2]! + lanes[3]!))
}

/** Slow twin of the top-k index: scores everything eligible, sorts by score descending and index ascending, cuts at k. */
export function topKTwin(
  factors: Float32Array,
  width: number,
  query: {
    readonly vector: Float32Array
    readonly k: number
    readonly exclude?: Int32Array
    readonly allow?: Uint8Array
  },
): { items: Int32Array<ArrayBuffer>; scores: Float32Array<ArrayBuffer> } {
  const excluded = new Set(query.exclude)
  const eligible: { item: number; score: number }[] = []
  for (let item = 0; item * width < factors.length; item++) {
    if (excluded.has(item) || (query.allow !== undefined && query.allow[item] === 0)) continue
    eligible.push({ item, score: dotTwin(query.vector, 0, factors, item * width, width) })
  }
  eligible.sort((a, b) => b.score - a.score || a.item - b.item)
  const best = eligible.slice(0, query.k)
  return { items: Int32Array.from(best, (e) => e.item), scores: Float32Array.from(best, (e) => e.score) }
}
