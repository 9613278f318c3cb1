import { createNormalEquations, type Solved } from '../als/normal-equations.ts'
import { linearWeight, weightsOf } from '../als/weights.ts'
import type { Model } from '../model/model.ts'
import { withoutZeros } from './observations.ts'
import type { Observations } from './port.ts'

/** Says what each observation adds to a score. */
export interface Explainer {
  /**
   * A fold-in is x = A^-1 sum b_j y_j, so observation j adds b_j y' A^-1 y_j to the score of an item with vector y.
   * A is factored once; each call of the result costs two triangular solves.
   */
  explain(observations: Observations): (vector: Float32Array) => Float64Array
}

/** U of A = U'U, upper triangle, width x width, and the reciprocals of its diagonal. */
type Factor = Pick<Solved, 'factor' | 'inverse' | 'width'>

export function createExplainer(model: Model): Explainer {
  const { recipe, itemFactors, gram } = model
  const { factors } = recipe
  const weights = weightsOf(recipe)
  const equations = createNormalEquations({ recipe, rows: model.itemIds.length, factors: itemFactors, gram })
  return {
    explain(observations) {
      const kept = withoutZeros(observations)
      const { width, factor, inverse } = equations.solve(kept.items, kept.strengths)
      const solvable = { width, factor: factor.slice(), inverse: inverse.slice() }
      const { items } = observations
      const linear = observations.strengths.map((strength) =>
        Math.fround(strength) === 0 ? 0 : linearWeight(weights, strength),
      )
      return (vector) => {
        const solved = substitute(solvable, vector)
        return linear.map((weight, j) =>
          weight === 0 ? 0 : weight * dot(solved, itemFactors, items[j]! * factors, factors),
        )
      }
    },
  }
}

/** A^-1 y by two triangular solves. */
function substitute({ factor, inverse, width }: Factor, vector: Float32Array): Float64Array {
  const x = new Float64Array(width)
  x.set(vector)
  for (let i = 0; i < width; i++) {
    const value = x[i]! * inverse[i]!
    x[i] = value
    for (let j = i + 1; j < width; j++) x[j]! -= value * factor[i * width + j]!
  }
  for (let i = width - 1; i >= 0; i--) {
    let rest = x[i]!
    for (let j = i + 1; j < width; j++) rest -= factor[i * width + j]! * x[j]!
    x[i] = rest * inverse[i]!
  }
  return x
}

function dot(a: Float64Array, b: Float32Array, offset: number, width: number): number {
  let sum = 0
  for (let d = 0; d < width; d++) sum += a[d]! * b[offset + d]!
  return sum
}
