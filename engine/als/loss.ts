import type { InteractionMatrix } from './port.ts'
import { linearWeight, quadraticWeight, regularizationOf, type Weights } from './weights.ts'

/**
 * What training minimises, in float64 and as slow as it reads:
 *
 *   L = W sum over all pairs (x.y)^2 + sum over observations [a (x.y)^2 - 2 b x.y + b]
 *       + sum over users reg_u |x|^2 + sum over items reg_i |y|^2
 *
 * with a, b and W of weights.ts. Its derivative by x, set to zero, is the system that a half-step solves. The constant b
 * makes a hit (x.y = 1) of `hkv` or `implicit` cost nothing beyond its share of the sum over all pairs.
 */
export function alsLoss(
  matrix: InteractionMatrix,
  factors: { readonly userFactors: Float32Array; readonly itemFactors: Float32Array; readonly factors: number },
  weights: Weights,
): number {
  const { users, items, rowPointers, itemIndices, strengths } = matrix
  const width = factors.factors
  const x = factors.userFactors
  const y = factors.itemFactors
  const counts = new Float64Array(items)
  let loss = 0
  for (let user = 0; user < users; user++) {
    for (let at = rowPointers[user]!; at < rowPointers[user + 1]!; at++) {
      const item = itemIndices[at]!
      const product = dot(x, user * width, y, item * width, width)
      const linear = linearWeight(weights, strengths[at]!)
      loss += quadraticWeight(weights, strengths[at]!) * product ** 2 - 2 * linear * product + linear
      counts[item]!++
    }
    const reg = regularizationOf(weights, rowPointers[user + 1]! - rowPointers[user]!, items)
    loss += reg * dot(x, user * width, x, user * width, width)
  }
  for (let item = 0; item < items; item++) {
    loss += regularizationOf(weights, counts[item]!, users) * dot(y, item * width, y, item * width, width)
  }
  return loss + weights.gramWeight * sumOfSquaredProducts(x, y, width)
}

/** Sum over all pairs of (x.y)^2 = sum of the elementwise product of X'X and Y'Y. */
function sumOfSquaredProducts(x: Float32Array, y: Float32Array, width: number): number {
  const xx = gramOf(x, width)
  const yy = gramOf(y, width)
  return xx.reduce((sum, value, at) => sum + value * yy[at]!, 0)
}

/** Y'Y in float64, factors x factors, full. */
export function gramOf(rows: Float32Array, factors: number): Float64Array {
  const gram = new Float64Array(factors * factors)
  for (let start = 0; start < rows.length; start += factors) {
    for (let i = 0; i < factors; i++) {
      const value = rows[start + i]!
      for (let j = i; j < factors; j++) gram[i * factors + j]! += value * rows[start + j]!
    }
  }
  for (let i = 0; i < factors; i++) for (let j = 0; j < i; j++) gram[i * factors + j] = gram[j * factors + i]!
  return gram
}

function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  let sum = 0
  for (let i = 0; i < length; i++) sum += a[aStart + i]! * b[bStart + i]!
  return sum
}
