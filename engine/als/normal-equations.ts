import { MillraceError } from '../../schemas/errors.ts'
import { type AlsKernels, compileAlsKernels, instantiateAlsKernels, paddedWidth } from '../kernels/als-kernels.ts'
import type { FoldInSide } from './fold-in.ts'
import { regularizationOf, type Weights, weightsOf } from './weights.ts'

/** Rows handed to the kernel at a time. */
const BATCH_ROWS = 64

/** Views of padded width (zeros beyond the factors), valid until the next call. */
export interface Solved {
  readonly width: number
  readonly solution: Float64Array
  /** U of A = U'U: the upper triangle, width x width. */
  readonly factor: Float64Array
  /** The reciprocals of U's diagonal. */
  readonly inverse: Float64Array
}

/** A x = b of one row against a fixed side, in a memory of its own; see FoldIn for what A and b are. */
export interface NormalEquations {
  solve(indexes: Int32Array, strengths: Float64Array): Solved
}

export function createNormalEquations(side: FoldInSide): NormalEquations {
  const weights = weightsOf(side.recipe)
  const bench = layBench(side, weights)
  const { kernels, offsets, width } = bench
  const { alpha, quadraticOffset, linearOffset } = weights
  const solved = { width, solution: bench.rightSide, factor: bench.matrix, inverse: bench.inverse }
  return {
    solve(indexes, strengths) {
      bench.matrix.set(bench.weightedGram)
      bench.rightSide.fill(0)
      for (let start = 0; start < indexes.length; start += BATCH_ROWS) {
        const count = gather(bench, side, indexes, strengths, start)
        kernels.observe(
          ...([offsets.matrix, offsets.rightSide, offsets.rows, offsets.indices, offsets.strengths, 0, count] as const),
          ...([width, alpha, quadraticOffset, linearOffset, offsets.scratch] as const),
        )
      }
      const regularization = regularizationOf(weights, indexes.length, side.rows)
      kernels.solve(offsets.matrix, offsets.rightSide, offsets.inverse, width, regularization)
      return solved
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
  readonly inverse: Float64Array
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
    inverse: new Float64Array(memory.buffer, offsets.inverse, width),
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
