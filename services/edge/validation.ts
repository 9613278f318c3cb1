import { Ajv, type ValidateFunction } from 'ajv'
import addFormatsModule from 'ajv-formats'
import type { FastifySchemaCompiler } from 'fastify'
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
  return ({ schema, httpPart }) => (httpPart === 'body' ? strict : coercing).compile(schema)
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
