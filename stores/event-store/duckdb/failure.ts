import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'

/** A fatal error leaves the open database unusable: it must be opened anew, which replays what was committed. */
export function isFatal(error: unknown): boolean {
  return /^FATAL|INTERNAL Error|database has been invalidated/i.test(textOf(error))
}

/** Maps what DuckDB throws to Millrace's errors; `what` says what was being done to `file`. */
export function asFailure(error: unknown, what: string, file: string, signal: AbortSignal | null): MillraceError {
  if (isMillraceError(error)) return error
  const text = textOf(error)
  const fail = (code: 'DISK_FULL' | 'FOLDER_LOCKED' | 'UNKNOWN_FORMAT' | 'CORRUPT_FILE', next: string) =>
    new MillraceError(code, `${what} failed: ${next} (${firstLine(text)})`, { cause: error, field: file })
  if (signal?.aborted) return new MillraceError('ABORTED', `${what} was aborted`, { cause: error })
  if (/no space left|not enough space|disk (is )?full|ENOSPC|File too large/i.test(text))
    return fail('DISK_FULL', `no space left for ${file}; free some, nothing acknowledged is lost`)
  if (/could not set lock|conflicting lock/i.test(text))
    return fail('FOLDER_LOCKED', `${file} is in use by another process; stop it or choose another DATA_DIR`)
  if (/version number|newer (DuckDB )?version|storage version/i.test(text))
    return fail('UNKNOWN_FORMAT', `${file} was written by another version of DuckDB; nothing was changed`)
  if (/not a valid DuckDB database|checksum|corrupt|deserializ|serialization error|replaying WAL/i.test(text))
    return fail(
      'CORRUPT_FILE',
      `${file} or its WAL is damaged; restore it from a copy, or move it aside and replay the log`,
    )
  return new MillraceError('STORE_UNAVAILABLE', `${what} failed on ${file}: ${firstLine(text)}; it may be repeated`, {
    cause: error,
  })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.slice(0, 300) ?? ''
}
