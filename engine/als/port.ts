import type { Recipe } from '../../schemas/training.ts'

/**
 * Interactions as a compressed sparse row matrix, users x items. Arrays are backed by SharedArrayBuffer or ArrayBuffer.
 * Strengths are finite and non-zero, may be negative; item indexes of a row ascend without repeats.
 */
export interface InteractionMatrix {
  readonly users: number
  readonly items: number
  /** Length users + 1. */
  readonly rowPointers: Int32Array
  readonly itemIndices: Int32Array
  readonly strengths: Float32Array
}

export interface AlsProgress {
  readonly iteration: number
  readonly iterations: number
  readonly side: 'users' | 'items'
  readonly secondsOfHalfStep: number
  /** Weighted squared error plus regularisation, as defined in engine/als/loss.ts; null where it was not asked for. */
  readonly loss: number | null
}

export interface AlsOptions {
  readonly recipe: Recipe
  readonly threads: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: AlsProgress) => void
  /** Compute the loss after each iteration (costs a pass). */
  readonly reportLoss?: boolean
  /** Start from these item factors (items x factors) instead of random ones. */
  readonly initialItemFactors?: Float32Array
}

/** Row-major, unpadded: users x factors and items x factors. The user side is the exact solution for the item side. */
export interface AlsFactors {
  readonly userFactors: Float32Array
  readonly itemFactors: Float32Array
  readonly secondsPerIteration: number
  readonly loss: number | null
}

/** Signature of engine/als/train.ts `trainAls`. */
export type TrainAls = (matrix: InteractionMatrix, options: AlsOptions) => Promise<AlsFactors>
