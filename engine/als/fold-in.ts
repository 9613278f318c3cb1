import { MillraceError } from '../../schemas/errors.ts'
import type { Recipe } from '../../schemas/training.ts'
import { type AlsKernels, compileAlsKernels, instantiateAlsKernels, paddedWidth } from '../kernels/als-kernels.ts'
import { regularizationOf, type Weights, weightsOf } from './weights.ts'

/** Rows handed to the kernel at a time. */
const BATCH_ROWS = 64

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
  const { recipe, rows } = side
  const weights = weightsOf(recipe)
  const factors = recipe.factors
  if (side.factors.length !== rows * factors || side.gram.length !== factors * factors) {
    throw new MillraceError(
      'INVALID_PARAMETERS',
      `${rows} rows of ${factors} factors need ${rows * factors} numbers and a Gram matrix of ${factors ** 2}, ` +
        `not ${side.factors.length} and ${side.gram.length}`,
    )
  }
  const bench = layBench(side, weights)
  return {
    solve(indexes, strengths) {
      const { kernels, offsets, width } = bench
      bench.matrix.set(bench.weightedGram)
      bench.rightSide.fill(0)
      for (let start = 0; start < indexes.length; start += BATCH_ROWS) {
        const count = gather(bench, side, indexes, strengths, start)
        const { alpha, quadraticOffset, linearOffset } = weights
        kernels.observe(
          ...([offsets.matrix, offsets.rightSide, offsets.rows, offsets.indices, offsets.strengths, 0, count] as const),
          ...([width, alpha, quadraticOffset, linearOffset, offsets.scratch] as const),
        )
      }
      const regularization = regularizationOf(weights, indexes.length, rows)
      kernels.solve(offsets.matrix, offsets.rightSide, offsets.inverse, width, regularization)
      return Float32Array.from(bench.rightSide.subarray(0, factors))
    },
  }
}

interface Bench {
  readonly kernels: AlsKernels
  readonly width: number
  readonly offsets: Readonly<
    Record<'matrix' | 'rightSide' | 'inverse' | 'rows' | 'indices' | 'strengths' | 'scratch', number>
  >
  readonly matrix: Float64Array
  readonly weightedGram: Float64Array
  readonly rightSide: Float64Array
  readonly rows: Float32Array
  readonly strengths: Float32Array
}

/** A memory of its own for one system: the matrix, its weighted Gram part, the right side, gathered rows, scratch. */
function layBench(side: FoldInSide, weights: Weights): Bench {
  const { factors } = side.recipe
  const width = paddedWidth(factors)
  let end = 65_536
  const place = (bytes: number): number => {
    const start = end
    end += Math.ceil(bytes / 64) * 64
    return start
  }
  const offsets = {
    matrix: place(width * width * 8),
    rightSide: place(width * 8),
    inverse: place(width * 8),
    rows: place(BATCH_ROWS * width * 4),
    indices: place(BATCH_ROWS * 4),
    strengths: place(BATCH_ROWS * 4),
    scratch: place(64 * width * 8),
  }
  const gramAt = place(width * width * 8)
  const pages = Math.ceil(end / 65_536)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  const weightedGram = new Float64Array(memory.buffer, gramAt, width * width)
  for (let i = 0; i < factors; i++) {
    for (let j = 0; j < factors; j++) weightedGram[i * width + j] = weights.gramWeight * side.gram[i * factors + j]!
  }
  const indices = new Int32Array(memory.buffer, offsets.indices, BATCH_ROWS)
  for (let row = 0; row < BATCH_ROWS; row++) indices[row] = row
  return {
    kernels: instantiateAlsKernels(compileAlsKernels(), memory),
    width,
    offsets,
    matrix: new Float64Array(memory.buffer, offsets.matrix, width * width),
    weightedGram,
    rightSide: new Float64Array(memory.buffer, offsets.rightSide, width),
    rows: new Float32Array(memory.buffer, offsets.rows, BATCH_ROWS * width),
    strengths: new Float32Array(memory.buffer, offsets.strengths, BATCH_ROWS),
  }
}

/** Copies the observed rows from `start` on into the bench; returns how many. */
function gather(bench: Bench, side: FoldInSide, indexes: Int32Array, strengths: Float64Array, start: number): number {
  const count = Math.min(BATCH_ROWS, indexes.length - start)
  const factors = side.recipe.factors
  for (let row = 0; row < count; row++) {
    const index = indexes[start + row]!
    const strength = Math.fround(strengths[start + row]!)
    if (!(index >= 0 && index < side.rows && Number.isFinite(strength) && strength !== 0)) {
      const message = `observation ${start + row} has index ${index} (of ${side.rows}) and strength ${strength}`
      throw new MillraceError('INVALID_PARAMETERS', message)
    }
    bench.strengths[row] = strength
    const from = index * factors
    const to = row * bench.width
    for (let factor = 0; factor < factors; factor++) bench.rows[to + factor] = side.factors[from + factor]!
  }
  return count
}
