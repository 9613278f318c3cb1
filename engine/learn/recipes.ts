import type { Recipe, TrainingParameters } from '../../schemas/training.ts'
import { createRandom } from '../evaluation/random.ts'

/** Candidates lie within these factors of the default, both ways, evenly in the logarithm. */
const SPREAD = 5
const REGULARIZATION_SPREAD = 2.5
/** Mostly 1, the best on both data sets of Rendle et al. 2022. */
const NUS = [0.5, 0.75, 1, 1] as const
/** Multiples of the default number of factors. */
const FACTOR_MULTIPLES = [0.5, 1, 2, 4] as const
const FACTORS_RANGE = { min: 8, max: 512 } as const

/** What defaults depend on, of the pairs with a strength. */
export interface DataShape {
  readonly users: number
  readonly items: number
  readonly pairs: number
  /** Mean absolute strength. */
  readonly meanStrength: number
  /** Root mean square of the strengths over their mean: 1 where all are equal. */
  readonly strengthSpread: number
}

/** Weight of all unobserved pairs together over that of the observed ones. */
const UNOBSERVED_SHARE = 20
const ALPHA0_RANGE = { min: 0.001, max: 1 } as const
/** Quadratic weight of an observation of mean strength for `hkv` and `implicit`, whose alpha0 is 1. */
const WEIGHT_RANGE = { min: 1, max: 100 } as const
/** Share of the noise edge that is enough where rows are long, and rows that are short. */
const EDGE_SHARE = 0.56
const SHORT_ROW = 30
/** Strengths that lie further apart call for no more. */
const SPREAD_MAX = 2.2
const FACTORS = 64
const ITERATIONS = 15
const SEED = 42

/**
 * The recipe of an untuned run: what the caller stated, the rest from defaults that adapt to the data.
 *
 * - alpha makes an observation of mean strength weigh the same whatever the unit of the event weights.
 * - alpha0 keeps the unobserved pairs together at 20 times the observed ones, that is 20 times the density of the matrix:
 *   for MovieLens-20M 0.07 and for the Million Song Dataset 0.03, beside the 0.1 and 0.02 of Rendle et al. 2022.
 * - The regularisation of the two sides shrinks a singular value of the weighted observations to nothing where it is below
 *   sqrt(lambda_u lambda_i). Noise alone reaches spread (sqrt(n_u) + sqrt(n_i)), n the mean observations of a row of each
 *   side (the edge of a random matrix), so that is the measure: all of it where rows are short, 0.56 of it where they are
 *   long and the signal stands clear (Rendle et al. 2022 on MovieLens-20M: 0.53).
 *
 * Chosen on the validation slice of Online Retail, on MovieLens-100K and thinned samples of both: bench/RESULTS-quality.md.
 */
export function defaultRecipe(parameters: TrainingParameters, halfLifeDays: number, shape: DataShape): Recipe {
  const preset = parameters.preset ?? 'ials'
  const density = shape.pairs / (shape.users * shape.items)
  const weight = preset === 'ials' ? 1 : within(WEIGHT_RANGE, 1 / (UNOBSERVED_SHARE * density))
  const alpha = parameters.alpha ?? rounded(weight / shape.meanStrength)
  const scale = alpha * shape.meanStrength
  const free = preset === 'ials'
  const alpha0 = parameters.alpha0 ?? (free ? rounded(within(ALPHA0_RANGE, UNOBSERVED_SHARE * density * scale)) : 1)
  const nu = parameters.nu ?? (free ? 1 : 0)
  const regularization = (scale * noiseFloor(shape)) / rowWeight(shape, alpha0) ** (free ? nu : 0)
  return {
    preset,
    factors: parameters.factors ?? FACTORS,
    iterations: parameters.iterations ?? ITERATIONS,
    alpha,
    alpha0,
    regularization: parameters.regularization ?? rounded(regularization),
    nu,
    halfLifeDays: halfLifeDays,
    solver: parameters.solver ?? 'cg',
    seed: parameters.seed ?? SEED,
  }
}

/** How far a singular value of noise alone reaches, times the share of it that is shrunk away. */
function noiseFloor({ users, items, pairs, strengthSpread }: DataShape): number {
  const edge = Math.min(SPREAD_MAX, strengthSpread) * (Math.sqrt(pairs / users) + Math.sqrt(pairs / items))
  const typicalRow = pairs / Math.sqrt(users * items)
  return edge * Math.min(1, EDGE_SHARE * Math.sqrt(Math.max(1, SHORT_ROW / typicalRow)))
}

/** n + alpha0 |other side|, what `ials` raises to nu: the geometric mean over the mean user and the mean item. */
function rowWeight({ users, items, pairs }: DataShape, alpha0: number): number {
  return Math.sqrt((pairs / users + alpha0 * items) * (pairs / items + alpha0 * users))
}

/**
 * The candidates of a search: the default, the champion's recipe (with the stated parameters put in), then seeded random
 * ones around the default. Stated parameters are fixed in all of them; no recipe appears twice, so there may be fewer
 * than `trials`.
 */
export function candidateRecipes(
  base: Recipe,
  parameters: TrainingParameters,
  champion: Recipe | null,
  trials: number,
  shape: DataShape,
): readonly Recipe[] {
  const random = createRandom(base.seed)
  const candidates = [base]
  if (champion !== null) {
    candidates.push({ ...champion, halfLifeDays: base.halfLifeDays, seed: base.seed, ...parameters })
  }
  for (let trial = candidates.length; trial < trials; trial++) candidates.push(varied(base, parameters, shape, random))
  const distinct = new Map(candidates.slice(0, trials).map((recipe) => [JSON.stringify(recipe), recipe]))
  return [...distinct.values()]
}

/**
 * Every recipe draws the same number of random values, so that stating one parameter does not change the others. Another
 * nu or alpha0 keeps the regularisation of a typical row where it was, before that is varied too.
 */
function varied(base: Recipe, parameters: TrainingParameters, shape: DataShape, random: () => number): Recipe {
  const spread = (most: number) => most ** (2 * random() - 1)
  const alpha0Spread = spread(SPREAD)
  const regularizationSpread = spread(REGULARIZATION_SPREAD)
  const alphaSpread = spread(SPREAD)
  const oneOf = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
  const drawnNu = oneOf(NUS)
  const drawnFactors = within(FACTORS_RANGE, Math.round(base.factors * oneOf(FACTOR_MULTIPLES)))
  const factors = parameters.factors ?? drawnFactors
  if (base.preset !== 'ials') {
    const alpha = parameters.alpha ?? rounded(base.alpha * alphaSpread)
    const rescaled = base.regularization * (alpha / base.alpha)
    return {
      ...base,
      factors,
      regularization: parameters.regularization ?? rounded(rescaled * regularizationSpread),
      alpha,
    }
  }
  const nu = parameters.nu ?? drawnNu
  const alpha0 = parameters.alpha0 ?? rounded(base.alpha0 * alpha0Spread)
  const rescaled = (base.regularization * rowWeight(shape, base.alpha0) ** base.nu) / rowWeight(shape, alpha0) ** nu
  return {
    ...base,
    factors,
    nu,
    alpha0,
    regularization: parameters.regularization ?? rounded(rescaled * regularizationSpread),
  }
}

function within({ min, max }: { readonly min: number; readonly max: number }, value: number): number {
  return Math.max(min, Math.min(max, value))
}

/** Four significant digits: recipes are read by people. */
function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
