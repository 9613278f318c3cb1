import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { MillraceError } from './errors.ts'

/** Settings whose values never appear in messages. */
const SECRET_NAME = /PASSWORD|SECRET|TOKEN|KEY|URL$/

/**
 * Reads a service's settings from environment variables: defaults filled in, text converted to numbers and booleans,
 * unknown variables ignored. Reports every problem at once.
 * @throws MillraceError CONFIG_INVALID naming each setting, its limits, and its value unless it may hold a secret.
 */
export function loadConfig<Schema extends TSchema>(
  schema: Schema,
  environment: Readonly<Record<string, string | undefined>>,
): Static<Schema> {
  const names = Object.keys((schema as unknown as { properties: Record<string, unknown> }).properties)
  const given = Object.fromEntries(names.filter((name) => environment[name]).map((name) => [name, environment[name]]))
  const candidate = Value.Convert(schema, Value.Default(schema, given))
  const problems = [...Value.Errors(schema, candidate)].map((problem) => {
    const name = problem.instancePath.slice(1)
    const shown = name && !SECRET_NAME.test(name) && given[name] !== undefined ? ` (it is "${given[name]}")` : ''
    return `${name || 'settings'} ${problem.message}${shown}`
  })
  if (problems.length > 0) {
    throw new MillraceError('CONFIG_INVALID', `settings are not usable: ${problems.join('; ')}`)
  }
  return candidate as Static<Schema>
}
