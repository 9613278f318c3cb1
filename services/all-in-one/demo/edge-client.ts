import { setTimeout as delay } from 'node:timers/promises'
import { MillraceError } from '../../../schemas/errors.ts'

export interface EdgeReply {
  readonly status: number
  /** Parsed JSON; null for an empty body. */
  readonly body: unknown
}

/** Speaks to the edge as any application does: over HTTP. */
export interface EdgeClient {
  /** Any answer but 429 and 503 is returned; those and a silent edge are tried again, `ATTEMPTS_MAX` times in all.
   * @throws MillraceError STORE_UNAVAILABLE when the last attempt failed; the signal's reason when aborted. */
  request(method: 'GET' | 'POST', path: string, body?: unknown): Promise<EdgeReply>
}

const ATTEMPTS_MAX = 10
const DELAY_FIRST_MS = 100
const DELAY_MAX_MS = 5_000
const ANSWER_TIMEOUT_MS = 30_000

export function createEdgeClient(url: string, signal: AbortSignal): EdgeClient {
  return {
    async request(method, path, body) {
      let failure: unknown = null
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        signal.throwIfAborted()
        try {
          const reply = await send(new URL(path, url), method, body, signal)
          if (reply.status !== 503 && reply.status !== 429) return reply
          failure = new Error(`${method} ${path} answered ${reply.status}`)
        } catch (error) {
          failure = error
        }
        await delay(Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** attempt), undefined, { signal })
      }
      throw new MillraceError(
        'STORE_UNAVAILABLE',
        `the edge at ${url} did not take ${method} ${path} in ${ATTEMPTS_MAX} attempts; the demo tries again later`,
        { cause: failure },
      )
    },
  }
}

async function send(target: URL, method: string, body: unknown, signal: AbortSignal): Promise<EdgeReply> {
  const response = await fetch(target, {
    method,
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', 'user-agent': 'millrace-demo' } }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : JSON.parse(text) }
}
