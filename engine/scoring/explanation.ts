import { linearWeight, regularizationOf, weightsOf } from '../als/weights.ts'
import { type AlsKernels, compileAlsKernels, instantiateAlsKernels, paddedWidth } from '../kernels/als-kernels.ts'
import type { Model } from '../model/model.ts'
import type { Observations } from './port.ts'

/** Observations handed to the kernel at a time. */
const BATCH_ROWS = 64

/** Says what each observation adds to a score. */
export interface Explainer {
  /**
   * A fold-in is x = A^-1 sum b_j y_j, so observation j adds b_j y' A^-1 y_j to the score of an item with vector y.
   * A is factored once; each call of the result costs two triangular solves.
   */
  explain(observations: Observations): (vector: Float32Array) => Float64Array
}

/** Where the system and the gathered rows lie in the memory that the kernels work on. */
interface System {
  readonly kernels: AlsKernels
  readonly width: number
  /** Byte offsets: the matrix is first. */
  readonly at: Readonly<Record<'matrix' | 'right' | 'inverse' | 'rows' | 'indices' | 'strengths' | 'scratch', number>>
  /** After `solve`: the factor U of A = U'U, upper triangle, width x width. */
  readonly matrix: Float64Array
  /** After `solve`: the reciprocals of U's diagonal. */
  readonly inverse: Float64Array
  readonly right: Float64Array
  readonly rows: Float32Array
  readonly strengths: Float32Array
}

/** U of A = U'U, upper triangle, width x width, and the reciprocals of its diagonal. */
type Factor = Pick<System, 'matrix' | 'inverse' | 'width'>

export function createExplainer(model: Model): Explainer {
  const factors = model.recipe.factors
  const weights = weightsOf(model.recipe)
  const system = layOutSystem(factors)
  const { kernels, at, width } = system
  return {
    explain({ items, strengths }) {
      system.right.fill(0)
      system.matrix.fill(0)
      for (let r = 0; r < factors; r++)
        for (let c = 0; c < factors; c++)
          system.matrix[r * width + c] = weights.gramWeight * model.gram[r * factors + c]!
      for (let from = 0; from < items.length; from += BATCH_ROWS) {
        const count = Math.min(BATCH_ROWS, items.length - from)
        for (let row = 0; row < count; row++) {
          system.strengths[row] = strengths[from + row]!
          const start = items[from + row]! * factors
          for (let d = 0; d < factors; d++) system.rows[row * width + d] = model.itemFactors[start + d]!
        }
        kernels.observe(
          ...([at.matrix, at.right, at.rows, at.indices, at.strengths, 0, count, width] as const),
          ...([weights.alpha, weights.quadraticOffset, weights.linearOffset, at.scratch] as const),
        )
      }
      const observed = strengths.reduce((count, strength) => count + (Math.fround(strength) === 0 ? 0 : 1), 0)
      const regularization = regularizationOf(weights, observed, model.itemIds.length)
      kernels.solve(at.matrix, at.right, at.inverse, width, regularization)
      const linear = strengths.map((strength) => linearWeight(weights, strength))
      const factor = { matrix: system.matrix.slice(), inverse: system.inverse.slice(), width }
      return (vector) => {
        const solved = substitute(factor, vector)
        return linear.map((weight, j) =>
          weight === 0 ? 0 : weight * dot(solved, model.itemFactors, items[j]! * factors, factors),
        )
      }
    },
  }
}

/** A^-1 y by two triangular solves. */
function substitute({ matrix, inverse, width }: Factor, vector: Float32Array): Float64Array {
  const x = new Float64Array(width)
  x.set(vector)
  for (let i = 0; i < width; i++) {
    const value = x[i]! * inverse[i]!
    x[i] = value
    for (let j = i + 1; j < width; j++) x[j]! -= value * matrix[i * width + j]!
  }
  for (let i = width - 1; i >= 0; i--) {
    let rest = x[i]!
    for (let j = i + 1; j < width; j++) rest -= matrix[i * width + j]! * x[j]!
    x[i] = rest * inverse[i]!
  }
  return x
}

function dot(a: Float64Array, b: Float32Array, offset: number, width: number): number {
  let sum = 0
  for (let d = 0; d < width; d++) sum += a[d]! * b[offset + d]!
  return sum
}

function layOutSystem(factors: number): System {
  const width = paddedWidth(factors)
  let end = 65_536
  const place = (bytes: number): number => {
    const start = end
    end += Math.ceil(bytes / 64) * 64
    return start
  }
  const at = {
    matrix: place(width * width * 8),
    right: place(width * 8),
    inverse: place(width * 8),
    rows: place(BATCH_ROWS * width * 4),
    indices: place(BATCH_ROWS * 4),
    strengths: place(BATCH_ROWS * 4),
    scratch: place(64 * width * 8),
  }
  const pages = Math.ceil(end / 65_536)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  new Int32Array(memory.buffer, at.indices, BATCH_ROWS).forEach((_, row, indices) => {
    indices[row] = row
  })
  return {
    kernels: instantiateAlsKernels(compileAlsKernels(), memory),
    width,
    at,
    matrix: new Float64Array(memory.buffer, at.matrix, width * width),
    inverse: new Float64Array(memory.buffer, at.inverse, width),
    right: new Float64Array(memory.buffer, at.right, width),
    rows: new Float32Array(memory.buffer, at.rows, BATCH_ROWS * width),
    strengths: new Float32Array(memory.buffer, at.strengths, BATCH_ROWS),
  }
}
