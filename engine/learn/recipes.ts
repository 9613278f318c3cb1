import type { Recipe, TrainingParameters } from '../../schemas/training.ts'
import { createRandom } from '../evaluation/random.ts'

/** Candidates lie within this factor of the default, both ways, evenly in the logarithm. */
const SPREAD = 5
const NUS = [0, 0.5, 0.75, 1] as const
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
}

interface PresetDefaults {
  /** Quadratic weight of an observation of mean strength: alpha = this / mean strength. */
  readonly meanWeight: number
  readonly alpha0: number
  /** For `ials` at a typical row weight of REFERENCE_ROW_WEIGHT. */
  readonly regularization: number
  readonly nu: number
}

/** The typical row weight of Online Retail, where the regularisation of `ials` was chosen. */
const REFERENCE_ROW_WEIGHT = 1_970

/** Good untuned: chosen on the validation slice of Online Retail and on simulated visitors, never on a holdout. */
const DEFAULTS: Readonly<Record<Recipe['preset'], PresetDefaults>> = {
  ials: { meanWeight: 1, alpha0: 0.5, regularization: 0.0065, nu: 1 },
  hkv: { meanWeight: 3, alpha0: 1, regularization: 10, nu: 0 },
  implicit: { meanWeight: 5, alpha0: 1, regularization: 20, nu: 0 },
}
const FACTORS = 64
const ITERATIONS = 15
const SEED = 42

/**
 * The recipe of an untuned run: what the caller stated, the rest from defaults that adapt to the data. alpha makes an
 * observation of mean strength weigh the same whatever the unit of the event weights. The regularisation of `ials` falls
 * with the square root of the typical row weight: small data needs more of it per row; at MovieLens-20M's size this gives
 * 0.0015, beside the 0.002 to 0.004 of Rendle et al. 2022 (whose alpha0 is smaller).
 */
export function defaultRecipe(parameters: TrainingParameters, halfLifeDays: number, shape: DataShape): Recipe {
  const preset = parameters.preset ?? 'ials'
  const defaults = DEFAULTS[preset]
  const alpha0 = parameters.alpha0 ?? defaults.alpha0
  const nu = parameters.nu ?? defaults.nu
  return {
    preset,
    factors: parameters.factors ?? FACTORS,
    iterations: parameters.iterations ?? ITERATIONS,
    alpha: parameters.alpha ?? rounded(defaults.meanWeight / shape.meanStrength),
    alpha0,
    regularization:
      parameters.regularization ??
      rounded(
        preset === 'ials'
          ? defaults.regularization *
              Math.sqrt(REFERENCE_ROW_WEIGHT / rowWeight(shape, alpha0)) *
              rowWeight(shape, alpha0) ** (1 - nu)
          : defaults.regularization,
      ),
    nu,
    halfLifeDays: halfLifeDays,
    solver: parameters.solver ?? 'cg',
    seed: parameters.seed ?? SEED,
  }
}

/** n + alpha0 |other side|, what `ials` raises to nu, averaged over the mean user and the mean item. */
function rowWeight({ users, items, pairs }: DataShape, alpha0: number): number {
  return (pairs / users + alpha0 * items + pairs / items + alpha0 * users) / 2
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
 * nu keeps the regularisation of a typical row where it was, before that is varied too.
 */
function varied(base: Recipe, parameters: TrainingParameters, shape: DataShape, random: () => number): Recipe {
  const spread = () => SPREAD ** (2 * random() - 1)
  const [alpha0Spread, regularizationSpread, alphaSpread] = [spread(), spread(), spread()]
  const oneOf = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
  const drawnNu = oneOf(NUS)
  const drawnFactors = clamped(base.factors * oneOf(FACTOR_MULTIPLES))
  const factors = parameters.factors ?? drawnFactors
  if (base.preset !== 'ials') {
    return {
      ...base,
      factors,
      regularization: parameters.regularization ?? rounded(base.regularization * regularizationSpread),
      alpha: parameters.alpha ?? rounded(base.alpha * alphaSpread),
    }
  }
  const nu = parameters.nu ?? drawnNu
  const rescaled = base.regularization * rowWeight(shape, base.alpha0) ** (base.nu - nu)
  return {
    ...base,
    factors,
    nu,
    alpha0: parameters.alpha0 ?? rounded(base.alpha0 * alpha0Spread),
    regularization: parameters.regularization ?? rounded(rescaled * regularizationSpread),
  }
}

function clamped(factors: number): number {
  return Math.max(FACTORS_RANGE.min, Math.min(FACTORS_RANGE.max, Math.round(factors)))
}

/** Four significant digits: recipes are read by people. */
function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
