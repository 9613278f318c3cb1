import { MillraceError } from '../../../schemas/errors.ts'

/** Where artifacts lie in an S3-compatible store. */
export interface S3Location {
  readonly bucket: string
  /** '' or ending in a slash. */
  readonly prefix: string
  /** null: AWS itself. */
  readonly endpoint: string | null
  readonly region: string
  /** Bucket in the path instead of the host name, as most stores other than AWS want it. */
  readonly pathStyle: boolean
  /** null: what the SDK finds (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, profiles, roles). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
  /** Safe to print. */
  readonly shown: string
}

const PARAMETERS = ['endpoint', 'region', 'pathStyle']
const DEFAULT_REGION = 'us-east-1'
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const PREFIX = /^([A-Za-z0-9._-]+\/)*$/

/**
 * Reads `s3://[ACCESS_KEY_ID:SECRET@]bucket[/prefix][?endpoint=URL&region=REGION&pathStyle=true|false]`; key id and secret
 * are percent-encoded there. With an endpoint the bucket goes into the path unless pathStyle=false.
 * @throws MillraceError CONFIG_INVALID naming what is wrong, never the credentials.
 */
export function readLocation(url: string): S3Location {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || parsed.protocol !== 's3:') throw invalid('it is no s3:// URL')
  const bucket = parsed.host
  if (!BUCKET.test(bucket)) throw invalid(`"${bucket}" is no bucket name`)
  const prefix = `${parsed.pathname.replace(/^\/+|\/+$/g, '')}/`.replace(/^\/$/, '')
  if (!PREFIX.test(prefix)) throw invalid('its prefix must be segments of [A-Za-z0-9._-] separated by single slashes')
  const unknown = [...parsed.searchParams.keys()].filter((key) => !PARAMETERS.includes(key))
  if (unknown.length > 0)
    throw invalid(`it has the parameters ${unknown.join(', ')}; known are ${PARAMETERS.join(', ')}`)
  const endpoint = readEndpoint(parsed.searchParams.get('endpoint'))
  const pathStyle = parsed.searchParams.get('pathStyle') ?? String(endpoint !== null)
  if (!/^(true|false)$/.test(pathStyle)) throw invalid('its parameter pathStyle must be true or false')
  const region = parsed.searchParams.get('region') ?? DEFAULT_REGION
  if (!/^[a-z0-9-]{1,50}$/.test(region)) throw invalid('its parameter region is none')
  return {
    ...{ bucket, prefix, endpoint, region, pathStyle: pathStyle === 'true', credentials: readCredentials(parsed) },
    shown: `s3://${bucket}/${prefix}${endpoint === null ? '' : ` at ${endpoint}`}`,
  }
}

function readEndpoint(text: string | null): string | null {
  if (text === null) return null
  const endpoint = URL.canParse(text) ? new URL(text) : null
  if (endpoint === null || !/^https?:$/.test(endpoint.protocol)) throw invalid('its endpoint is no http(s) URL')
  if (endpoint.username !== '') throw invalid('credentials belong before the bucket, not into the endpoint')
  return endpoint.href.replace(/\/+$/, '')
}

function readCredentials({ username, password }: URL): S3Location['credentials'] {
  if (username === '' && password === '') return null
  if (username === '' || password === '') throw invalid('it has an access key id or a secret without the other')
  try {
    return { accessKeyId: decodeURIComponent(username), secretAccessKey: decodeURIComponent(password) }
  } catch {
    throw invalid('its credentials are not percent-encoded')
  }
}

function invalid(problem: string): MillraceError {
  return new MillraceError(
    'CONFIG_INVALID',
    `ARTIFACTS_URL is not usable: ${problem}; write s3://bucket/prefix[?endpoint=URL&region=REGION&pathStyle=true]`,
    { field: 'ARTIFACTS_URL' },
  )
}
