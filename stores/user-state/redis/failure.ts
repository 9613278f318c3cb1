import { ErrorReply } from 'redis'
import { type ErrorCode, isMillraceError, MillraceError } from '../../../schemas/errors.ts'

/** What refusals of the server mean, by the first word of its reply. */
const REPLIES: Readonly<Record<string, { readonly code: ErrorCode; readonly what: string }>> = {
  WRONGPASS: { code: 'STATE_UNAVAILABLE', what: 'refuses the user name or password' },
  NOAUTH: { code: 'STATE_UNAVAILABLE', what: 'wants a password' },
  NOPERM: { code: 'STATE_UNAVAILABLE', what: 'does not let this user run a command that Millrace needs' },
  LOADING: { code: 'STATE_UNAVAILABLE', what: 'is still loading its data' },
  READONLY: { code: 'STATE_UNAVAILABLE', what: 'is a replica that cannot be written' },
  OOM: { code: 'STATE_UNAVAILABLE', what: 'has used up its maxmemory; raise it' },
  MISCONF: { code: 'DISK_FULL', what: 'cannot write to its disk' },
}

/** Any failure of the client or the server as ours: one line that names the setting and no secret. */
export function toFailure(error: unknown, shown: string): MillraceError {
  if (isMillraceError(error)) return error
  const { message, code } = error as Error & { code?: string }
  const fail = (errorCode: ErrorCode, what: string) =>
    new MillraceError(errorCode, `USER_STATE_URL ${shown} ${what}`, { cause: error, field: 'USER_STATE_URL' })
  if (message === 'The queue is full') return fail('OVERLOADED', 'has too many commands waiting; retry in a second')
  if (!(error instanceof ErrorReply)) return fail('STATE_UNAVAILABLE', `does not answer (${code ?? message})`)
  const [word = ''] = message.split(' ', 1)
  const known = REPLIES[word]
  if (known !== undefined) return fail(known.code, `${known.what} (${word})`)
  return fail('STATE_UNAVAILABLE', `answers with an error: ${withoutArguments(message)}`)
}

/** Servers repeat the arguments of what they do not understand, and a password may be among them. */
function withoutArguments(message: string): string {
  return (message.split(/,? with args/, 1)[0] ?? '').split('\n', 1)[0] ?? ''
}
