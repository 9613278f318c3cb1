import { MillraceError } from '../../../schemas/errors.ts'

const RETENTION_DAYS_MAX = 36_500
/** Whole batches rest on compressed bodies, and calls side by side on there being no session. */
const REFUSED_PARAMETERS = ['compression_request', 'session_id', 'pathname']

/** Where the server is, taken from `http(s)://user:password@host:port/database?parameter=value`. */
export interface ClickHouseAddress {
  /** For the client: credentials and the parameters that it knows, without the database. Never to be shown. */
  readonly url: URL
  readonly database: string
  /** The same place without credentials and parameters, for messages. */
  readonly shown: string
  /** Days after their append that events are kept; null leaves the table as it is. */
  readonly retentionDays: number | null
}

/** @throws MillraceError CONFIG_INVALID, naming what is wrong without repeating the URL. */
export function parseClickHouseAddress(text: string): ClickHouseAddress {
  if (!URL.canParse(text)) throw invalid('is not a URL; expected http(s)://user:password@host:8123/database')
  const url = new URL(text)
  const database = /^\/([^/]*)$/.exec(url.pathname)?.[1] || 'default'
  if (!/^\/[^/]*$/.test(url.pathname))
    throw invalid('has more than one path segment; expected http(s)://host:8123/database')
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(database))
    throw invalid(`names the database "${database}"; a name is letters, digits and _, not beginning with a digit`)
  const shown = `${url.protocol}//${url.host}/${database}`
  const retention = url.searchParams.get('retention_days')
  const retentionDays = retention === null ? null : Number(retention)
  if (retentionDays !== null && !(Number.isInteger(retentionDays) && isRetention(retentionDays)))
    throw invalid(`has retention_days=${retention}; expected a whole number of days from 1 to ${RETENTION_DAYS_MAX}`)
  url.searchParams.delete('retention_days')
  for (const name of REFUSED_PARAMETERS)
    if (url.searchParams.has(name)) throw invalid(`has ${name}, which is not up for choice`)
  url.pathname = '/'
  return { url, database, shown, retentionDays }
}

export function invalid(problem: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', `EVENT_STORE_URL ${problem}`, { field: 'EVENT_STORE_URL' })
}

function isRetention(days: number): boolean {
  return days >= 1 && days <= RETENTION_DAYS_MAX
}
