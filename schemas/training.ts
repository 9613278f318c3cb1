import { type Static, Type } from 'typebox'

export const PRESETS = ['ials', 'hkv', 'implicit'] as const

/**
 * Hyper-parameters a caller may set; what is absent is chosen on a validation slice or takes its default. The half-life is
 * not among them: stored histories are kept with the setting HALF_LIFE_DAYS, and a model must see them the same way.
 */
export const TrainingParameters = Type.Object(
  {
    preset: Type.Optional(Type.Union([Type.Literal('ials'), Type.Literal('hkv'), Type.Literal('implicit')])),
    factors: Type.Optional(Type.Integer({ minimum: 8, maximum: 512 })),
    iterations: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
    alpha: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1e6 })),
    alpha0: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1e3 })),
    regularization: Type.Optional(Type.Number({ minimum: 0, maximum: 1e6 })),
    nu: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    solver: Type.Optional(Type.Union([Type.Literal('cg'), Type.Literal('cholesky')])),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295 })),
  },
  { additionalProperties: false },
)
export type TrainingParameters = Static<typeof TrainingParameters>

/** The complete recipe of a model: every hyper-parameter settled. Refits and comparisons use nothing else. */
export const Recipe = Type.Object(
  {
    ...Type.Required(TrainingParameters).properties,
    halfLifeDays: Type.Number({ exclusiveMinimum: 0, maximum: 36_500 }),
  },
  { additionalProperties: false },
)
export type Recipe = Readonly<Static<typeof Recipe>>

/** The gate's decision with every reason, readable by an operator. */
export interface GateVerdict {
  readonly accepted: boolean
  readonly reasons: readonly string[]
}

export const RUN_STATES = ['queued', 'running', 'finished', 'failed', 'rejected'] as const
export type RunState = (typeof RUN_STATES)[number]
