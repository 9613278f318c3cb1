import { MillraceError } from '../../schemas/errors.ts'
import type { Recipe } from '../../schemas/training.ts'
import { createNormalEquations } from './normal-equations.ts'

/**
 * The side that is held fixed: items to fold users in (a Model fits, with `rows` its item count), users to fold items in.
 * `factors`: rows x recipe.factors, row-major, unpadded. `gram`: its Gram matrix, recipe.factors squared.
 */
export interface FoldInSide {
  readonly recipe: Recipe
  readonly rows: number
  readonly factors: Float32Array
  readonly gram: Float64Array
}

/** Exact solutions against one fixed side, on one thread. */
export interface FoldIn {
  /**
   * The x of (W G + sum a y y' + reg I) x = sum b y for the rows `indexes` observed with `strengths` (equally long, no
   * repeats, finite, not zero), in float64, rounded to float32. Zero when nothing attracts. A fresh array.
   * Throws INVALID_PARAMETERS for an index out of range or a strength that is not finite or zero.
   */
  solve(indexes: Int32Array, strengths: Float64Array): Float32Array
}

export function createFoldIn(side: FoldInSide): FoldIn {
  const { factors } = side.recipe
  if (side.factors.length !== side.rows * factors || side.gram.length !== factors * factors) {
    throw new MillraceError(
      'INVALID_PARAMETERS',
      `${side.rows} rows of ${factors} factors need ${side.rows * factors} numbers and a Gram matrix of ${factors ** 2}, ` +
        `not ${side.factors.length} and ${side.gram.length}`,
    )
  }
  const equations = createNormalEquations(side)
  return {
    solve: (indexes, strengths) => Float32Array.from(equations.solve(indexes, strengths).solution.subarray(0, factors)),
  }
}
