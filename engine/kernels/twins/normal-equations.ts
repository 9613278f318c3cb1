import type { Model } from '../../model/model.ts'

/** A user's row of the model's least-squares problem: A x = sum of linear[j] * y_j, A symmetric and positive. */
export interface NormalEquations {
  /** factors x factors, row-major, float64. */
  readonly matrix: Float64Array
  readonly linear: Float64Array
}

/**
 * A = alpha0 Y'Y + sum a_j y_j y_j' + lambda (n + alpha0 |I|)^nu I, in float64, with the weights a and b of the recipe's
 * preset for strengths s = |strength|: `ials` a = b = alpha s; `hkv` c = 1 + alpha s, `implicit` c = alpha s, both
 * a = c - 1, b = c and alpha0 = 1, nu = 0. A negative strength attracts nothing: b = 0.
 * Sources: Hu, Koren, Volinsky 2008; Rendle et al. 2022 (iALS revisited).
 */
export function normalEquations(
  model: Model,
  observations: { readonly items: Int32Array; readonly strengths: Float64Array },
): NormalEquations {
  const { recipe, gram, itemFactors } = model
  const width = recipe.factors
  const isIals = recipe.preset === 'ials'
  const alpha0 = isIals ? recipe.alpha0 : 1
  const count = observations.items.length
  const regularization = recipe.regularization * (isIals ? (count + alpha0 * model.itemIds.length) ** recipe.nu : 1)
  const matrix = gram.map((value) => alpha0 * value)
  for (let d = 0; d < width; d++) matrix[d * width + d]! += regularization
  const linear = new Float64Array(count)
  for (let j = 0; j < count; j++) {
    const strength = observations.strengths[j]!
    const confidence = recipe.alpha * Math.abs(strength) + (recipe.preset === 'hkv' ? 1 : 0)
    const quadratic = isIals ? confidence : confidence - 1
    linear[j] = strength < 0 ? 0 : confidence
    const at = observations.items[j]! * width
    for (let r = 0; r < width; r++) {
      const scaled = quadratic * itemFactors[at + r]!
      for (let c = 0; c < width; c++) matrix[r * width + c]! += scaled * itemFactors[at + c]!
    }
  }
  return { matrix, linear }
}

/**
 * Solves A x = right by Cholesky in float64; `matrix` is overwritten by its factor. A direction in which A has no weight
 * (a pivot below 1e-12 of the largest diagonal entry) gets 0.
 */
export function solveCholesky(matrix: Float64Array, right: Float64Array): Float64Array {
  const width = right.length
  let largest = 0
  for (let d = 0; d < width; d++) largest = Math.max(largest, matrix[d * width + d]!)
  for (let c = 0; c < width; c++) {
    const row = c * width
    let pivot = matrix[row + c]!
    for (let i = 0; i < c; i++) pivot -= matrix[row + i]! ** 2
    const root = pivot > largest * 1e-12 ? Math.sqrt(pivot) : 0
    matrix[row + c] = root
    for (let r = c + 1; r < width; r++) {
      let value = matrix[r * width + c]!
      for (let i = 0; i < c; i++) value -= matrix[r * width + i]! * matrix[row + i]!
      matrix[r * width + c] = root === 0 ? 0 : value / root
    }
  }
  const x = Float64Array.from(right)
  for (let r = 0; r < width; r++) {
    for (let i = 0; i < r; i++) x[r]! -= matrix[r * width + i]! * x[i]!
    x[r] = matrix[r * width + r] === 0 ? 0 : x[r]! / matrix[r * width + r]!
  }
  for (let r = width - 1; r >= 0; r--) {
    for (let i = r + 1; i < width; i++) x[r]! -= matrix[i * width + r]! * x[i]!
    x[r] = matrix[r * width + r] === 0 ? 0 : x[r]! / matrix[r * width + r]!
  }
  return x
}

/** sum of linear[j] * y_j. */
export function attraction(model: Model, items: Int32Array, linear: Float64Array): Float64Array {
  const width = model.recipe.factors
  const sum = new Float64Array(width)
  for (let j = 0; j < items.length; j++) {
    for (let d = 0; d < width; d++) sum[d]! += linear[j]! * model.itemFactors[items[j]! * width + d]!
  }
  return sum
}
