import { setTimeout as sleep } from 'node:timers/promises'
import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import type { MlflowAddress } from './address.ts'

const DEFAULT_TIMEOUT_MS = 10_000
const ATTEMPTS_MAX = 3
const RETRY_DELAY_MS = 100
const SHOWN_CHARACTERS_MAX = 300

/**
 * Requests to one MLflow server, each with a timeout, repeated when the connection or the server fails (5xx, 429), at
 * most three times in all; not after the timeout, which was wait enough. One that must not be repeated says so.
 * Errors: ABORTED; REGISTRY_UNAVAILABLE with one line that names the setting, the server and the reason, never credentials;
 * CONFIG_INVALID when the server refuses the credentials or is no MLflow.
 */
export interface MlflowClient {
  readonly address: MlflowAddress
  /** The JSON answer of /api/2.0/mlflow; null when MLflow refuses with one of the error codes in `refusals`. */
  call<T>(what: string, request: MlflowRequest, signal: AbortSignal): Promise<T | null>
  /** Writes a file of the artifact proxy; `path` as in an `mlflow-artifacts:/path` URI. */
  putArtifact(path: string, content: string, signal: AbortSignal): Promise<void>
  /** null when there is none. */
  getArtifact(path: string, signal: AbortSignal): Promise<string | null>
}

export interface MlflowRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly refusals?: readonly string[]
  /** false: the request would do something twice. */
  readonly repeatable?: boolean
}

interface Answer {
  readonly status: number
  readonly text: string
}

export function createMlflowClient(address: MlflowAddress, timeoutMs = DEFAULT_TIMEOUT_MS): MlflowClient {
  const server = `MODEL_REGISTRY_URL (${address.base})`
  const unavailable = (message: string, cause?: unknown) =>
    new MillraceError('REGISTRY_UNAVAILABLE', `${server}: ${message}`, { cause, field: 'MODEL_REGISTRY_URL' })
  const misconfigured = (message: string) =>
    new MillraceError('CONFIG_INVALID', `${server}: ${message}`, { field: 'MODEL_REGISTRY_URL' })

  async function attempt(what: string, path: string, init: RequestInit, signal: AbortSignal): Promise<Answer> {
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      signal.throwIfAborted()
      const headers: Record<string, string> = { 'content-type': 'application/json' }
      if (address.authorization !== null) headers.authorization = address.authorization
      const stop = AbortSignal.any([signal, timeout])
      const response = await fetch(`${address.base}${path}`, { ...init, headers, signal: stop })
      const answer = { status: response.status, text: await response.text() }
      if (answer.status < 500 && answer.status !== 429) return answer
      throw unavailable(`${what} failed (${answer.status} ${shown(answer.text)}); it may be repeated`)
    } catch (error) {
      if (isMillraceError(error)) throw error
      if (signal.aborted) throw new MillraceError('ABORTED', `${what} was aborted`, { cause: error })
      const reason = timeout.aborted ? `no answer within ${timeoutMs} ms` : connectionProblem(error)
      throw unavailable(`${what} failed (${reason}); it may be repeated`, error)
    }
  }

  async function send(what: string, path: string, init: RequestInit, signal: AbortSignal, attemptsMax = ATTEMPTS_MAX) {
    for (let attempts = 1; ; attempts++) {
      try {
        const answer = await attempt(what, path, init, signal)
        if (answer.status === 401 || answer.status === 403)
          throw misconfigured(`${what} is refused (${answer.status}): check the user and the password`)
        return answer
      } catch (error) {
        const isOver = attempts >= attemptsMax || (error as Error & { cause?: Error }).cause?.name === 'TimeoutError'
        if (isOver || !isMillraceError(error, 'REGISTRY_UNAVAILABLE')) throw error
        await sleep(RETRY_DELAY_MS * 4 ** (attempts - 1), undefined, { signal }).catch(() => {})
      }
    }
  }

  return {
    address,
    async call<T>(what: string, request: MlflowRequest, signal: AbortSignal) {
      const { method, path, query, body, refusals, repeatable } = request
      const search = query === undefined ? '' : `?${new URLSearchParams(query)}`
      const init = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
      const url = `/api/2.0/mlflow/${path}${search}`
      const answer = await send(what, url, init, signal, repeatable === false ? 1 : ATTEMPTS_MAX)
      const parsed = parseJson(answer.text)
      if (parsed === null) throw misconfigured(`the answer (${answer.status}) is not MLflow's; check the address`)
      if (answer.status < 300) return parsed as T
      const code = String(parsed.error_code)
      if (refusals?.includes(code)) return null
      throw unavailable(`${what} is refused (${answer.status} ${code}: ${shown(String(parsed.message))})`)
    },
    async putArtifact(path, content, signal) {
      const what = 'writing a long value'
      const answer = await send(what, artifactPath(path), { method: 'PUT', body: content }, signal)
      if (answer.status >= 300) throw unavailable(`${what} is refused (${answer.status} ${shown(answer.text)})`)
    },
    async getArtifact(path, signal) {
      const what = 'reading a long value'
      const answer = await send(what, artifactPath(path), { method: 'GET' }, signal)
      if (answer.status === 404) return null
      if (answer.status >= 300) throw unavailable(`${what} is refused (${answer.status} ${shown(answer.text)})`)
      return answer.text
    },
  }
}

function artifactPath(path: string): string {
  return `/api/2.0/mlflow-artifacts/artifacts/${path.split('/').map(encodeURIComponent).join('/')}`
}

function parseJson(text: string): { error_code?: unknown; message?: unknown } | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}

/** What fetch hides in `cause`: the connection's own words. */
function connectionProblem(error: unknown): string {
  const cause = (error as Error).cause ?? error
  return shown((cause as NodeJS.ErrnoException).code ?? String((cause as Error).message ?? cause))
}

function shown(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, SHOWN_CHARACTERS_MAX)
}
