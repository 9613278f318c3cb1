import { MillraceError } from '../../schemas/errors.ts'
import type { Recipe } from '../../schemas/training.ts'

/**
 * How a strength s becomes the weights of an observation (DESIGN section 4):
 * s > 0: quadratic a = alpha s + quadraticOffset, linear b = alpha s + linearOffset; s < 0: a = alpha |s|, b = 0.
 * `gramWeight` (alpha0) weighs every pair of the matrix, observed or not.
 */
export interface Weights {
  readonly alpha: number
  readonly quadraticOffset: number
  readonly linearOffset: number
  readonly gramWeight: number
  readonly regularization: number
  readonly nu: number
}

/**
 * `ials` (Rendle et al. 2022): a = b = alpha s. `hkv` (Hu, Koren, Volinsky 2008): a = alpha s, b = 1 + alpha s.
 * `implicit` (the Python library): a = alpha s - 1, b = alpha s. The last two fix alpha0 = 1 and nu = 0,
 * whatever the recipe says of them.
 */
export function weightsOf(recipe: Recipe): Weights {
  const { alpha, regularization } = recipe
  if (recipe.preset === 'ials') {
    const { alpha0, nu } = recipe
    return { alpha, quadraticOffset: 0, linearOffset: 0, gramWeight: alpha0, regularization, nu }
  }
  const offsets =
    recipe.preset === 'hkv' ? { quadraticOffset: 0, linearOffset: 1 } : { quadraticOffset: -1, linearOffset: 0 }
  return { alpha, ...offsets, gramWeight: 1, regularization, nu: 0 }
}

export function quadraticWeight(weights: Weights, strength: number): number {
  return strength > 0 ? weights.alpha * strength + weights.quadraticOffset : -weights.alpha * strength
}

export function linearWeight(weights: Weights, strength: number): number {
  return strength > 0 ? weights.alpha * strength + weights.linearOffset : 0
}

/** lambda (n + alpha0 |other side|)^nu for a row with n observations: frequency-scaled regularisation. */
export function regularizationOf(weights: Weights, observations: number, otherRows: number): number {
  return weights.regularization * (observations + weights.gramWeight * otherRows) ** weights.nu
}

/** Throws INVALID_PARAMETERS naming the first hyper-parameter that no training could use. */
export function checkRecipe(recipe: Recipe): void {
  const refuse = (field: keyof Recipe, rule: string): never => {
    throw new MillraceError(
      'INVALID_PARAMETERS',
      `${field} must be ${rule}, not ${String(recipe[field])}; nothing was trained`,
      {
        field,
      },
    )
  }
  const { factors, iterations, seed } = recipe
  if (!Number.isInteger(factors) || factors < 8 || factors > 512) refuse('factors', 'an integer from 8 to 512')
  if (!Number.isInteger(iterations) || iterations < 1) refuse('iterations', 'a positive integer')
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) refuse('seed', 'an integer of 32 bits')
  for (const field of ['alpha', 'alpha0'] as const) {
    if (!(recipe[field] > 0 && Number.isFinite(recipe[field]))) refuse(field, 'positive and finite')
  }
  for (const field of ['regularization', 'nu'] as const) {
    if (!(recipe[field] >= 0 && Number.isFinite(recipe[field]))) refuse(field, 'finite and not negative')
  }
}
