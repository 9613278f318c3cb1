import { parseArgs } from 'node:util'
import { Value } from 'typebox/value'
import type { InteractionMatrix } from '../engine/als/port.ts'
import { type DataShape, defaultRecipe } from '../engine/learn/recipes.ts'
import { MillraceError } from '../schemas/errors.ts'
import { type Recipe, TrainingParameters } from '../schemas/training.ts'

export interface EngineOptions {
  readonly train: string
  readonly test: string | null
  readonly threads: number
  readonly top: number
  readonly parameters: TrainingParameters
  /** Recipes tried on a validation slice of the training file; 1 takes the stated parameters and defaults. */
  readonly search: number
  /** Where a search keeps what it measured; an interrupted one goes on from there. */
  readonly searchState: string | null
  /** A folder that gets the matrix and the factors as raw arrays, for the peers. */
  readonly exportTo: string | null
}

export const ENGINE_USAGE = `npm run bench:engine -- --train FILE --test FILE [--objective ials|hkv|implicit] [--factors 64]
  [--iterations 15] [--threads 1] [--alpha A] [--alpha0 W] [--regularization L] [--nu N] [--solver cg|cholesky]
  [--seed S] [--search N [--search-state FILE]] [--top 20] [--export FOLDER]`

/** Throws INVALID_PARAMETERS naming every option that cannot be. */
export function parseEngineOptions(given: readonly string[]): EngineOptions {
  const values = valuesOf(given)
  const numbers = Object.fromEntries(
    (['factors', 'iterations', 'alpha', 'alpha0', 'regularization', 'nu', 'seed'] as const).flatMap((name) =>
      values[name] === undefined ? [] : [[name, Number(values[name])]],
    ),
  )
  const parameters: unknown = {
    ...numbers,
    ...(values.objective === undefined ? {} : { preset: values.objective }),
    ...(values.solver === undefined ? {} : { solver: values.solver }),
  }
  if (values.train === undefined) throw new MillraceError('INVALID_PARAMETERS', `--train is missing\n${ENGINE_USAGE}`)
  if (!Value.Check(TrainingParameters, parameters)) {
    const problems = Value.Errors(TrainingParameters, parameters).map(
      (error) => `${error.instancePath} ${error.message}`,
    )
    throw new MillraceError('INVALID_PARAMETERS', `${problems.join('; ')}\n${ENGINE_USAGE}`)
  }
  return {
    train: values.train,
    test: values.test ?? null,
    threads: integer('threads', values.threads ?? '1', 64),
    top: integer('top', values.top ?? '20', 1_000),
    search: integer('search', values.search ?? '1', 1_000),
    searchState: values['search-state'] ?? null,
    parameters,
    exportTo: values.export ?? null,
  }
}

function valuesOf(given: readonly string[]) {
  const text = { type: 'string' } as const
  const options = {
    ...{ train: text, test: text, objective: text, factors: text, iterations: text, threads: text, alpha: text },
    ...{ alpha0: text, regularization: text, nu: text, solver: text, seed: text, top: text, export: text },
    ...{ search: text, 'search-state': text },
  }
  try {
    return parseArgs({ args: [...given], options }).values
  } catch (cause) {
    throw new MillraceError('INVALID_PARAMETERS', `${(cause as Error).message}\n${ENGINE_USAGE}`, { cause })
  }
}

/** What was not stated takes the defaults that a training run would take on this data. */
export function recipeFor(parameters: TrainingParameters, matrix: InteractionMatrix): Recipe {
  return defaultRecipe(parameters, 36_500, shapeOf(matrix))
}

export function shapeOf({ users, items, strengths }: InteractionMatrix): DataShape {
  const total = strengths.reduce((sum, strength) => sum + Math.abs(strength), 0)
  const squares = strengths.reduce((sum, strength) => sum + strength * strength, 0)
  const { length } = strengths
  const strengthSpread = Math.sqrt(squares * length) / total
  return { users, items, pairs: length, meanStrength: total / length, strengthSpread }
}

function integer(name: string, value: string, max: number): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1 && number <= max) return number
  throw new MillraceError('INVALID_PARAMETERS', `--${name} must be 1 to ${max}, not ${value}\n${ENGINE_USAGE}`)
}
