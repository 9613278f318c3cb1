import type { Recipe } from '../../schemas/training.ts'

/**
 * A trained model: item factors and what is needed to fold a user in. No user factors: a user's vector is the fold-in.
 * Items are ordered by item id (ascending code units), so a smaller index wins ties.
 */
export interface Model {
  readonly recipe: Recipe
  readonly itemIds: readonly string[]
  /** items x factors, row-major, unpadded, finite. */
  readonly itemFactors: Float32Array
  /** factors x factors, row-major: Y'Y in float64, computed from `itemFactors`. */
  readonly gram: Float64Array
  /** Users and interactions it was fitted on. */
  readonly users: number
  readonly interactions: number
  /** Newest event time in its data, epoch milliseconds. */
  readonly dataUntil: number
}
