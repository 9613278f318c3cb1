import { ClickHouseError } from '@clickhouse/client'
import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import { invalid } from './address.ts'

/** ClickHouse's own numbers for what a wrong EVENT_STORE_URL causes. */
const SETTING_PROBLEMS: Readonly<Record<string, string>> = {
  '81': 'names a database that does not exist there; create it or correct the name',
  '115': 'carries a setting that this server does not know',
  '192': 'carries a user that this server does not know',
  '193': 'carries a wrong password',
  '194': 'carries no password, but the server wants one',
  '497': 'carries a user that lacks the rights to create and alter tables, insert and select',
  '516': 'carries a user or password that the server refuses',
}
const NOT_ENOUGH_SPACE = '243'
const DAMAGED = new Set(['40', '246', '271'])
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|ERR_TLS|EPROTO|ERR_SSL/

/** Maps what went wrong while `what` was done at `shown`. The client's errors hold no credentials; they stay the cause. */
export function asFailure(error: unknown, what: string, shown: string, signal: AbortSignal | null): MillraceError {
  if (isMillraceError(error)) return error
  if (signal?.aborted) return new MillraceError('ABORTED', `${what} was aborted`, { cause: error })
  const text = firstLine(error)
  const code = error instanceof ClickHouseError ? error.code : null
  if (code === NOT_ENOUGH_SPACE || /no space left on device|ENOSPC/i.test(text))
    return new MillraceError(
      'DISK_FULL',
      `${what} failed: the disk of ${shown} is full (${text}); free some, nothing acknowledged is lost`,
      { cause: error },
    )
  if (code !== null && DAMAGED.has(code))
    return new MillraceError(
      'CORRUPT_FILE',
      `${what} failed: ${shown} found damaged data (${text}); restore the part that the server's log names`,
      { cause: error },
    )
  return new MillraceError('STORE_UNAVAILABLE', `${what} failed at ${shown}: ${text}; it may be repeated`, {
    cause: error,
  })
}

/** The same while opening, when a wrong URL is the likely reason: says so in one line that names the setting. */
export function asOpeningFailure(error: unknown, shown: string, timeout: AbortSignal): MillraceError {
  if (isMillraceError(error) && error.code !== 'STORE_UNAVAILABLE' && error.code !== 'ABORTED') return error
  const cause = isMillraceError(error) ? error.cause : error
  const problem = cause instanceof ClickHouseError ? SETTING_PROBLEMS[cause.code] : undefined
  if (problem !== undefined) return invalid(`(${shown}) ${problem}`)
  if (CERTIFICATE.test(codeOf(cause))) return invalid(`(${shown}) failed at the TLS handshake: ${codeOf(cause)}`)
  const reason = timeout.aborted ? 'no answer in time' : firstLine(cause)
  return new MillraceError(
    'STORE_UNAVAILABLE',
    `EVENT_STORE_URL (${shown}) cannot be reached: ${reason}; is ClickHouse running there?`,
    { cause, field: 'EVENT_STORE_URL' },
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message || codeOf(error) : String(error)
  return (text.split('\n')[0] ?? '').slice(0, 300).replace(/[\s.;]+$/, '')
}
