import { MillraceError } from '../../../schemas/errors.ts'

/** Where an MLflow server is, under which name Millrace keeps its things there, and how requests are authorised. */
export interface MlflowAddress {
  /** Without credentials, query and trailing slash; safe to print. */
  readonly base: string
  /** Of the experiment and of the registered model. */
  readonly name: string
  /** Value of the Authorization header; null without credentials. */
  readonly authorization: string | null
}

const DEFAULT_NAME = 'millrace'
const NAME = /^[A-Za-z0-9._-]{1,100}$/

/**
 * Reads `http(s)://[user:password@]host[:port][/path][?name=NAME]`; user and password are percent-encoded there.
 * @throws MillraceError CONFIG_INVALID naming what is wrong, never the credentials.
 */
export function readAddress(url: string): MlflowAddress {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw invalid('it is no http(s) URL with a host')
  const unknown = [...parsed.searchParams.keys()].filter((key) => key !== 'name')
  if (unknown.length > 0) throw invalid(`it has the parameters ${unknown.join(', ')}; only name is known`)
  const name = parsed.searchParams.get('name') ?? DEFAULT_NAME
  if (!NAME.test(name)) throw invalid('its parameter name must be 1 to 100 of [A-Za-z0-9._-]')
  const credentials = [parsed.username, parsed.password].map(decoded).join(':')
  return {
    base: `${parsed.protocol}//${parsed.host}${parsed.pathname.replace(/\/+$/, '')}`,
    name,
    authorization: credentials === ':' ? null : `Basic ${Buffer.from(credentials).toString('base64')}`,
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid('its user or password is not percent-encoded')
  }
}

function invalid(problem: string): MillraceError {
  return new MillraceError(
    'CONFIG_INVALID',
    `MODEL_REGISTRY_URL is not usable: ${problem}; write http(s)://[user:password@]host:port[?name=NAME]`,
    { field: 'MODEL_REGISTRY_URL' },
  )
}
