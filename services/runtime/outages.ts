import { isMillraceError } from '../../schemas/errors.ts'
import type { ServiceContext } from './context.ts'

/** A failure after so long a quiet is a new outage, also where nobody said that the old one was over. */
const QUIET_MS = 60_000

/**
 * Tells the log of an outage once: when it begins, with its reason, and when it is over, however often it is met in
 * between. Outages are told apart by their error code.
 */
export interface Outages {
  /** `what` says what suffers and what happens next. An error that nobody foresaw is logged whole, each time. */
  failed(error: unknown, what: string): void
  /** What failed with this code works; without a code, everything does. */
  passed(code?: string): void
}

interface Outage {
  readonly since: number
  newest: number
  failures: number
}

export function createOutages({ logger, now }: Pick<ServiceContext, 'logger' | 'now'>): Outages {
  const open = new Map<string, Outage>()

  function end(code: string, { since, failures }: Outage): void {
    open.delete(code)
    const seconds = Math.round((now() - since) / 1_000)
    logger.info({ code, failures, seconds }, `${code} is over after ${seconds} s`)
  }

  return {
    failed(error, what) {
      const code = codeOf(error)
      if (code === null) return logger.error({ err: error }, what)
      const at = now()
      const known = open.get(code)
      if (known !== undefined && Math.abs(at - known.newest) < QUIET_MS) {
        known.newest = at
        known.failures++
        return
      }
      open.set(code, { since: at, newest: at, failures: 1 })
      logger.warn({ code }, `${what}: ${(error as Error).message}`)
    },
    passed(code) {
      if (open.size === 0) return
      for (const [failing, outage] of [...open]) if (code === undefined || code === failing) end(failing, outage)
    },
  }
}

/** Of ours, and of the operating system's. */
function codeOf(error: unknown): string | null {
  if (isMillraceError(error)) return error.code
  const { code, syscall } = error as NodeJS.ErrnoException
  return syscall !== undefined && code !== undefined ? code : null
}
