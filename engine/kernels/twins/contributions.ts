import { linearWeight, quadraticWeight, regularizationOf, weightsOf } from '../../als/weights.ts'
import type { Model } from '../../model/model.ts'

/**
 * Slow twin of `contributions`: what observation j adds to the score of an item with vector y, b_j y' A^-1 y_j, where
 * A = alpha0 Y'Y + sum a_j y_j y_j' + reg I in float64. One elimination for the item, no triangle, no padding.
 */
export function contributionsTwin(
  model: Model,
  observations: { readonly items: Int32Array; readonly strengths: Float64Array },
  vector: Float32Array,
): Float64Array {
  const weights = weightsOf(model.recipe)
  const width = model.recipe.factors
  const row = (j: number): number[] => {
    const start = observations.items[j]! * width
    return Array.from(model.itemFactors.subarray(start, start + width))
  }
  const matrix = Array.from({ length: width }, (_, r) =>
    Array.from(model.gram.subarray(r * width, (r + 1) * width), (value) => weights.gramWeight * value),
  )
  const observed = observations.strengths.filter((strength) => strength !== 0).length
  const regularization = regularizationOf(weights, observed, model.itemIds.length)
  for (let d = 0; d < width; d++) matrix[d]![d]! += regularization
  for (const [j, strength] of observations.strengths.entries()) {
    const y = row(j)
    for (let r = 0; r < width; r++)
      for (let c = 0; c < width; c++) matrix[r]![c]! += quadraticWeight(weights, strength) * y[r]! * y[c]!
  }
  const solved = eliminate(matrix, Array.from(vector))
  return observations.strengths.map(
    (strength, j) => linearWeight(weights, strength) * row(j).reduce((sum, value, d) => sum + value * solved[d]!, 0),
  )
}

/** Gauss-Jordan elimination with the greatest pivot of each column. */
function eliminate(matrix: number[][], right: number[]): number[] {
  const width = right.length
  const rows = matrix.map((row, r) => [...row, right[r]!])
  for (let c = 0; c < width; c++) {
    let best = c
    for (let r = c + 1; r < width; r++) if (Math.abs(rows[r]![c]!) > Math.abs(rows[best]![c]!)) best = r
    const pivot = rows[best]!
    rows[best] = rows[c]!
    rows[c] = pivot
    for (const row of rows) {
      if (row === pivot) continue
      const factor = row[c]! / pivot[c]!
      for (let i = c; i <= width; i++) row[i]! -= factor * pivot[i]!
    }
  }
  return rows.map((row, r) => row[width]! / row[r]!)
}
