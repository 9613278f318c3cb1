import { Ajv, type ValidateFunction } from 'ajv'
import addFormatsModule from 'ajv-formats'
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { FastifyValidationResult } from 'fastify/types/schema.js'
import type { TSchema } from 'typebox'

/** What ajv reports of the first thing that does not fit. */
export interface Violation {
  readonly instancePath: string
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
  readonly message?: string
}

// The package is CommonJS with an ES default; which of both arrives depends on the loader.
const addFormats = addFormatsModule as unknown as (ajv: Ajv) => Ajv

function createAjv(coerceTypes: false | 'array'): Ajv {
  const ajv = new Ajv({
    coerceTypes,
    useDefaults: true,
    removeAdditional: false,
    strictNumbers: true,
    allErrors: false,
  })
  addFormats(ajv)
  return ajv
}

/** Bodies are taken as they are: nothing coerced, unknown fields refused. Query strings and paths are text and coerced. */
export function createRouteValidation(): FastifySchemaCompiler<TSchema> {
  const strict = createAjv(false)
  const coercing = createAjv('array')
  return ({ schema, httpPart }) =>
    httpPart === 'body' ? strict.compile(schema) : refuseInfinity(coercing.compile(schema))
}

/** ajv turns the text "1e999" into Infinity and then skips the limits of numbers. */
function refuseInfinity(validate: ValidateFunction): FastifyValidationResult {
  return (data: Readonly<Record<string, unknown>>) => {
    if (!validate(data)) return { error: (validate.errors ?? []) as FastifySchemaValidationError[] }
    for (const name in data) {
      const value = data[name]
      if (typeof value === 'number' && !Number.isFinite(value)) return { error: [notFinite(name)] }
    }
    return true
  }
}

function notFinite(name: string): FastifySchemaValidationError {
  return { instancePath: `/${name}`, schemaPath: '', keyword: 'type', params: {}, message: 'must be finite' }
}

/** A compiled check for values inside a batch; null where the value fits. */
export function createCheck(schema: TSchema): (value: unknown) => Violation | null {
  const validate: ValidateFunction = createAjv(false).compile(schema)
  return (value) => (validate(value) ? null : ((validate.errors?.[0] as Violation | undefined) ?? null))
}

/** Names the offending field and says what is wrong with it. */
export function explainViolation({ instancePath, keyword, params, message }: Violation): {
  field: string | null
  detail: string
} {
  const parent = instancePath.slice(1).replaceAll('/', '.')
  const below = (name: unknown) => (parent ? `${parent}.${String(name)}` : String(name)).slice(0, 200)
  if (keyword === 'additionalProperties') {
    const field = below(params.additionalProperty)
    return { field, detail: `field "${field}" is not known` }
  }
  if (keyword === 'required') {
    const field = below(params.missingProperty)
    return { field, detail: `field "${field}" is missing` }
  }
  if (keyword === 'propertyNames') {
    const field = below(params.propertyName)
    return { field, detail: `"${field}" is not a valid name` }
  }
  const allowed = keyword === 'enum' ? `: ${(params.allowedValues as readonly unknown[]).join(', ')}` : ''
  const said = `${message ?? 'does not fit'}${allowed}`
  return parent ? { field: parent, detail: `field "${parent}" ${said}` } : { field: null, detail: `the value ${said}` }
}
