import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from 'kafkajs'
import { MillraceError } from '../../../schemas/errors.ts'

const RETRY_DELAY_MS = 200

const AUTHENTICATION = /^KafkaJSSASLAuthenticationError$/
const LEFT_ALONE =
  /^KafkaJS(NotImplemented|ServerDoesNotSupportApiKey|UnsupportedMagicByteInMessageSet|InvariantViolation)$/
const AUTHORISATION = /_AUTHORIZATION_FAILED$/
const TOO_LARGE = /^(MESSAGE|RECORD_LIST)_TOO_LARGE$/

/** The broker's word for what is wrong, such as UNKNOWN_MEMBER_ID; null for anything that is no protocol error. */
export function protocolType(error: unknown): string | null {
  for (const cause of causesOf(error)) {
    const type = (cause as { type?: unknown }).type
    if (typeof type === 'string') return type
  }
  return null
}

/** true for what may pass by itself: connections, leaders and coordinators on the move, timeouts. */
export function isPassing(error: unknown): boolean {
  if (error instanceof MillraceError) return error.code === 'LOG_UNAVAILABLE'
  const causes = causesOf(error)
  if (causes.some(({ name }) => AUTHENTICATION.test(name) || LEFT_ALONE.test(name))) return false
  if (AUTHORISATION.test(protocolType(error) ?? '')) return false
  return causes.some(
    (cause) => cause.name.startsWith('KafkaJS') || (cause as NodeJS.ErrnoException).errno !== undefined,
  )
}

/** The error of the port for what the client threw; `what` says what failed and what happens next. */
export function logFailure(what: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause
  const reason = reasonOf(cause)
  if (causesOf(cause).some(({ name }) => AUTHENTICATION.test(name))) {
    const message = `the Kafka brokers refused the user or password of LOG_URL (${reason})`
    return new MillraceError('CONFIG_INVALID', message, { cause, field: 'LOG_URL' })
  }
  if (AUTHORISATION.test(protocolType(cause) ?? '')) {
    const message = `${what}: the Kafka brokers do not permit it (${reason}); grant the user of LOG_URL the right`
    return new MillraceError('CONFIG_INVALID', message, { cause, field: 'LOG_URL' })
  }
  if (TOO_LARGE.test(protocolType(cause) ?? '')) {
    return new MillraceError('INVALID_REQUEST', `${what}: too large for max.message.bytes of the topic`, { cause })
  }
  return new MillraceError('LOG_UNAVAILABLE', `${what}: ${reason}`, { cause })
}

/** The innermost message: the client wraps what happened in what it did about it. */
export function reasonOf(error: unknown): string {
  const causes = causesOf(error)
  return causes.at(-1)?.message ?? String(error)
}

/**
 * Does `work` again while it fails for a passing reason, refreshing the metadata in between, for at most `patienceMs`.
 * @throws MillraceError LOG_UNAVAILABLE when patience ends, ABORTED when the signal aborts, CONFIG_INVALID when refused.
 */
export async function withPatience<T>(
  cluster: Cluster,
  options: { what: string; patienceMs: number; signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + options.patienceMs
  while (true) {
    try {
      return await work()
    } catch (error) {
      if (options.signal.aborted) throw new MillraceError('ABORTED', `${options.what}: aborted`, { cause: error })
      if (!isPassing(error) || performance.now() > deadline) throw logFailure(options.what, error)
    }
    await sleep(RETRY_DELAY_MS, undefined, { signal: options.signal }).catch(() => undefined)
    await refresh(cluster)
  }
}

/** Asks for the metadata again, connecting when the connection was lost; a failure shows at the next request. */
export async function refresh(cluster: Cluster): Promise<void> {
  try {
    if (!cluster.isConnected()) await cluster.connect()
    await cluster.refreshMetadata()
  } catch {
    // What cannot be reached now fails the next request, which says so.
  }
}

function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = []
  for (let cause = error; cause instanceof Error && causes.length < 10; cause = cause.cause) causes.push(cause)
  return causes
}
