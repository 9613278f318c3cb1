import { type Static, Type } from 'typebox'
import { MillraceError } from './errors.ts'

/** Settings that every service shares. URLs left empty take the embedded default below DATA_DIR. */
export const Settings = Type.Object({
  HOST: Type.String({ default: '127.0.0.1', description: 'address the edge listens on' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 7070, description: 'port the edge listens on' }),
  DATA_DIR: Type.String({ minLength: 1, default: 'data', description: 'folder of every embedded backend' }),
  LOG_URL: Type.String({ default: '' }),
  SCHEMA_REGISTRY_URL: Type.String({ default: '' }),
  EVENT_STORE_URL: Type.String({ default: '' }),
  USER_STATE_URL: Type.String({ default: '' }),
  MODEL_REGISTRY_URL: Type.String({ default: '' }),
  ARTIFACTS_URL: Type.String({ default: '' }),
  PARTITIONS: Type.Integer({
    minimum: 1,
    maximum: 1_024,
    default: 8,
    description: 'partitions of topic interactions, set when it is created',
  }),
  EVENT_WEIGHTS: Type.String({
    default: 'view:1,click:2,cart:4,purchase:8,like:5,dislike:-5',
    description: 'accepted event types and their weights',
  }),
  VALUE_SCALED_TYPES: Type.String({ default: '', description: 'types whose weight is multiplied by the event value' }),
  HALF_LIFE_DAYS: Type.Number({
    exclusiveMinimum: 0,
    maximum: 36_500,
    default: 90,
    description: 'half-life of an event in a history',
  }),
  HISTORY_MAX: Type.Integer({ minimum: 1, maximum: 100_000, default: 2_000 }),
  EVENT_IDS_MAX: Type.Integer({ minimum: 1, maximum: 4_096, default: 64 }),
  LOG_RETENTION_HOURS: Type.Number({ exclusiveMinimum: 0, default: 168 }),
  LOG_RETENTION_BYTES: Type.Integer({ minimum: 1_048_576, default: 8_589_934_592, description: 'per partition' }),
  TRAIN_SCHEDULE: Type.String({
    default: '0 3 * * *',
    description: 'cron expression; "never" switches the schedule off',
  }),
  TRAIN_THREADS: Type.Integer({ minimum: 1, maximum: 64, default: 2 }),
  TRAIN_TRIALS: Type.Integer({
    minimum: 1,
    maximum: 1_000,
    default: 4,
    description: 'hyper-parameter candidates tried on the validation slice',
  }),
  CACHE_TTL_SECONDS: Type.Number({ exclusiveMinimum: 0, maximum: 86_400, default: 300 }),
  CACHE_ENTRIES_MAX: Type.Integer({ minimum: 1, default: 100_000 }),
  LOG_LEVEL: Type.Union(
    ['trace', 'debug', 'info', 'warn', 'error', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info' },
  ),
  LOG_FORMAT: Type.Union([Type.Literal('auto'), Type.Literal('json'), Type.Literal('pretty')], { default: 'auto' }),
})
export type Settings = Static<typeof Settings>

/** The weights of event types: positive attracts, negative repels, and only listed types are accepted. */
export interface EventWeights {
  readonly weights: Readonly<Record<string, number>>
  readonly valueScaledTypes: ReadonlySet<string>
}

/** @throws MillraceError CONFIG_INVALID for anything but `type:weight` pairs with finite, non-zero weights. */
export function parseEventWeights(settings: Pick<Settings, 'EVENT_WEIGHTS' | 'VALUE_SCALED_TYPES'>): EventWeights {
  const weights: Record<string, number> = {}
  for (const pair of settings.EVENT_WEIGHTS.split(',').filter(Boolean)) {
    const [type = '', text = ''] = pair.trim().split(':')
    const weight = Number(text)
    if (!/^[a-z][a-z0-9_-]{0,31}$/.test(type) || text === '' || !Number.isFinite(weight) || weight === 0) {
      throw new MillraceError(
        'CONFIG_INVALID',
        `EVENT_WEIGHTS has "${pair.trim()}"; write type:weight, e.g. "view:1,like:5"`,
      )
    }
    weights[type] = weight
  }
  if (Object.keys(weights).length === 0) throw new MillraceError('CONFIG_INVALID', 'EVENT_WEIGHTS names no event type')
  const valueScaledTypes = new Set(
    settings.VALUE_SCALED_TYPES.split(',')
      .map((type) => type.trim())
      .filter(Boolean),
  )
  for (const type of valueScaledTypes) {
    if (!(type in weights))
      throw new MillraceError('CONFIG_INVALID', `VALUE_SCALED_TYPES names "${type}", which EVENT_WEIGHTS lacks`)
  }
  return { weights, valueScaledTypes }
}
