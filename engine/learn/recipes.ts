import type { Recipe, TrainingParameters } from '../../schemas/training.ts'
import { createRandom } from '../evaluation/random.ts'

/** Candidates lie within this factor of the default, both ways, evenly in the logarithm. */
const SPREAD = 5
const NUS = [0.5, 0.75, 1] as const

interface PresetDefaults {
  /** Quadratic weight of an observation of mean strength: alpha = this / mean strength. */
  readonly meanWeight: number
  readonly alpha0: number
  readonly regularization: number
  readonly nu: number
}

/** Good untuned; chosen on validation slices of Online Retail (see ARCHITECTURE.md's decisions). */
const DEFAULTS: Readonly<Record<Recipe['preset'], PresetDefaults>> = {
  ials: { meanWeight: 1, alpha0: 0.1, regularization: 0.003, nu: 1 },
  hkv: { meanWeight: 10, alpha0: 1, regularization: 10, nu: 0 },
  implicit: { meanWeight: 10, alpha0: 1, regularization: 10, nu: 0 },
}
const FACTORS = 64
const ITERATIONS = 15
const SEED = 42

/**
 * The recipe of an untuned run: what the caller stated, the rest from defaults. `meanStrength` (of the training pairs,
 * absolute) makes them independent of the unit of the event weights: alpha is stored as an absolute number.
 */
export function defaultRecipe(parameters: TrainingParameters, halfLifeDays: number, meanStrength: number): Recipe {
  const preset = parameters.preset ?? 'ials'
  const defaults = DEFAULTS[preset]
  return {
    preset,
    factors: parameters.factors ?? FACTORS,
    iterations: parameters.iterations ?? ITERATIONS,
    alpha: parameters.alpha ?? rounded(defaults.meanWeight / meanStrength),
    alpha0: parameters.alpha0 ?? defaults.alpha0,
    regularization: parameters.regularization ?? defaults.regularization,
    nu: parameters.nu ?? defaults.nu,
    halfLifeDays: parameters.halfLifeDays ?? halfLifeDays,
    solver: parameters.solver ?? 'cg',
    seed: parameters.seed ?? SEED,
  }
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
): readonly Recipe[] {
  const random = createRandom(base.seed)
  const candidates = [base]
  if (champion !== null) {
    candidates.push({ ...champion, halfLifeDays: base.halfLifeDays, seed: base.seed, ...parameters })
  }
  for (let trial = candidates.length; trial < trials; trial++) candidates.push(varied(base, parameters, random))
  const distinct = new Map(candidates.slice(0, trials).map((recipe) => [JSON.stringify(recipe), recipe]))
  return [...distinct.values()]
}

/** Every recipe draws the same number of random values, so that stating one parameter does not change the others. */
function varied(base: Recipe, parameters: TrainingParameters, random: () => number): Recipe {
  const spread = () => SPREAD ** (2 * random() - 1)
  const [alpha0, regularization, alpha] = [spread(), spread(), spread()]
  const nu = NUS[Math.floor(random() * NUS.length)]!
  const frequencyScaled = base.preset === 'ials'
  return {
    ...base,
    alpha0: parameters.alpha0 ?? (frequencyScaled ? rounded(base.alpha0 * alpha0) : base.alpha0),
    regularization: parameters.regularization ?? rounded(base.regularization * regularization),
    alpha: parameters.alpha ?? (frequencyScaled ? base.alpha : rounded(base.alpha * alpha)),
    nu: parameters.nu ?? (frequencyScaled ? nu : base.nu),
  }
}

/** Four significant digits: recipes are read by people. */
function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
