/** A copy with every row scaled to length one (norm in float64); zero rows stay zero, so that their cosines are 0. */
export function normalizeRows(rows: Float32Array, width: number): Float32Array<ArrayBuffer> {
  const normalized = new Float32Array(rows.length)
  for (let at = 0; at < rows.length; at += width) {
    let squares = 0
    for (let d = at; d < at + width; d++) squares += rows[d]! * rows[d]!
    const scale = squares === 0 ? 0 : 1 / Math.sqrt(squares)
    for (let d = at; d < at + width; d++) normalized[d] = rows[d]! * scale
  }
  return normalized
}
