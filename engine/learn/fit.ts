import { MillraceError } from '../../schemas/errors.ts'
import type { Recipe } from '../../schemas/training.ts'
import type { AlsProgress } from '../als/port.ts'
import { trainAls } from '../als/train.ts'
import type { PairTable } from '../evaluation/pair-table.ts'
import type { Model } from '../model/model.ts'
import { toMatrix } from './pairs.ts'

export interface FitOptions {
  readonly threads: number
  readonly signal: AbortSignal
  readonly onProgress: (progress: AlsProgress) => void
  /** Continue from the item factors of this model (same pairs, same factor count). */
  readonly continueFrom?: Model
}

export interface Fit {
  readonly model: Model
  readonly secondsPerIteration: number
}

/**
 * Fits a recipe to pairs and builds the model: item factors in ascending order of item id, Gram matrix in float64.
 * @throws MillraceError INVALID_MATRIX for fewer than two users or items with a strength, ABORTED
 */
export async function fitModel(
  pairs: PairTable,
  itemIds: readonly string[],
  recipe: Recipe,
  dataUntil: number,
  options: FitOptions,
): Promise<Fit> {
  const { matrix, rankOfColumn } = toMatrix(pairs)
  if (matrix.users < 2 || matrix.items < 2) {
    throw new MillraceError(
      'INVALID_MATRIX',
      `${matrix.users} users and ${matrix.items} items with interactions are too few to learn from, at least 2 of both are needed; nothing was trained`,
    )
  }
  const factors = await trainAls(matrix, {
    recipe,
    threads: options.threads,
    signal: options.signal,
    onProgress: options.onProgress,
    ...(options.continueFrom && { initialItemFactors: options.continueFrom.itemFactors }),
  })
  const model: Model = {
    recipe,
    itemIds: Array.from(rankOfColumn, (rank) => itemIds[rank]!),
    itemFactors: factors.itemFactors,
    gram: gramOf(factors.itemFactors, recipe.factors),
    users: matrix.users,
    interactions: matrix.itemIndices.length,
    dataUntil,
  }
  return { model, secondsPerIteration: factors.secondsPerIteration }
}

/** Y'Y in float64: width x width, row-major, of row-major rows. */
export function gramOf(rows: Float32Array, width: number): Float64Array {
  const gram = new Float64Array(width * width)
  const row = new Float64Array(width)
  for (let start = 0; start < rows.length; start += width) {
    for (let index = 0; index < width; index++) row[index] = rows[start + index]!
    for (let left = 0; left < width; left++) {
      const value = row[left]!
      for (let right = left; right < width; right++) gram[left * width + right]! += value * row[right]!
    }
  }
  for (let left = 0; left < width; left++)
    for (let right = 0; right < left; right++) gram[left * width + right] = gram[right * width + left]!
  return gram
}
