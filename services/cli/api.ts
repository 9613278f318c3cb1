import { type ErrorCode, HTTP_STATUS, MillraceError } from '../../schemas/errors.ts'

/** Requests to one Millrace edge. Refusals become MillraceErrors with the edge's own code and words. */
export interface Api {
  readonly url: string
  get<T>(path: string): Promise<T>
  send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body: unknown): Promise<T>
}

/** Attempts at one request that the edge answers with 503 or 429, and the longest pause between two. */
const ATTEMPTS_MAX = 8
const PAUSE_MS_MAX = 10_000

interface Problem {
  readonly code?: string
  readonly detail?: string
  readonly field?: string
}

export function createApi(url: string, pause: (milliseconds: number) => Promise<void>, signal: AbortSignal): Api {
  async function request<T>(method: string, path: string, body: unknown): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const response = await reach(`${url}/api/v1${path}`, method, body, signal)
      if (response.ok) return (await response.json()) as T
      const busy = response.status === 503 || response.status === 429
      if (!busy || attempt === ATTEMPTS_MAX) throw await refusal(response, attempt)
      await response.body?.cancel()
      const asked = Number(response.headers.get('retry-after') ?? 0) * 1_000
      await pause(Math.min(PAUSE_MS_MAX, Math.max(asked, 100 * 2 ** attempt)))
      signal.throwIfAborted()
    }
  }
  return {
    url,
    get: (path) => request('GET', path, undefined),
    send: (method, path, body) => request(method, path, body),
  }
}

async function reach(url: string, method: string, body: unknown, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, {
      method,
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
  } catch (cause) {
    if (signal.aborted) throw new MillraceError('ABORTED', 'interrupted', { cause })
    throw new MillraceError(
      'NOT_READY',
      `${new URL(url).origin} does not answer; start it with "npm start" or set MILLRACE_URL`,
      { cause },
    )
  }
}

async function refusal(response: Response, attempts: number): Promise<MillraceError> {
  const problem: Problem = await response.json().then(
    (body) => body as Problem,
    () => ({}),
  )
  const code: ErrorCode =
    problem.code !== undefined && problem.code in HTTP_STATUS ? (problem.code as ErrorCode) : 'INTERNAL'
  const tries = attempts > 1 ? ` (after ${attempts} attempts)` : ''
  return new MillraceError(
    code,
    `${problem.detail ?? `the edge answered ${response.status}`}${tries}`,
    problem.field ? { field: problem.field } : {},
  )
}
