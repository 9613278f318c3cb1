/** What the edge refused or why it did not answer, in words for the page. */
export class EdgeFailure extends Error {
  /** 0 when the edge did not answer at all. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'EdgeFailure'
    this.status = status
  }

  get isSilent(): boolean {
    return this.status === 0
  }
}

const ANSWER_TIMEOUT_MS = 15_000

/** Asks the edge that served this page. @throws EdgeFailure; the signal's reason when aborted. */
export async function askEdge<Reply>(
  path: string,
  options: { readonly method?: 'GET' | 'POST'; readonly body?: unknown; readonly signal?: AbortSignal } = {},
): Promise<Reply> {
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const response = await fetch(`api/v1/${path}`, {
    method: options.method ?? 'GET',
    signal: options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]),
    ...(options.body === undefined
      ? {}
      : { body: JSON.stringify(options.body), headers: { 'content-type': 'application/json' } }),
  }).catch((cause: unknown) => {
    if (options.signal?.aborted) throw options.signal.reason
    throw new EdgeFailure(0, `the edge does not answer (${cause instanceof Error ? cause.message : 'unknown'})`)
  })
  const body: unknown = await response.json().catch(() => null)
  if (!response.ok) throw new EdgeFailure(response.status, wordsOf(response.status, body))
  return body as Reply
}

/** The words of RFC 9457 problem details. */
function wordsOf(status: number, body: unknown): string {
  const problem = (body ?? {}) as { detail?: unknown; title?: unknown }
  const words = typeof problem.detail === 'string' ? problem.detail : problem.title
  return typeof words === 'string' ? words : `the edge answered ${status}`
}

export function failureWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}
