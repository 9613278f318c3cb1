/** JSON over HTTP to a running edge; answers status, headers and body whatever the status is. */
export interface Reply<T = Record<string, unknown>> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

export async function call<T = Record<string, unknown>>(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply<T>> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T }
}

export interface Accepted {
  readonly accepted: number
  readonly eventIds: readonly (string | null)[]
  readonly rejected: readonly { readonly index: number; readonly code: string; readonly detail: string }[]
  readonly token: string
}

export interface Recommendations {
  readonly userId: string
  readonly requestId: string
  readonly modelVersion: string | null
  readonly cache: 'hit' | 'miss'
  readonly degraded: boolean
  readonly after?: string
  readonly sources: readonly string[]
  readonly skipped: Readonly<Record<string, string>>
  readonly state: { readonly events: number; readonly lastEventAt: string; readonly lagMs: number } | null
  readonly items: readonly {
    readonly itemId: string
    readonly rank: number
    readonly score: number
    readonly source: string
    readonly reason: { readonly kind: string; readonly ids: readonly string[] }
    readonly title?: string | null
    readonly categories?: readonly string[]
  }[]
}

export interface Status {
  readonly logId: string
  readonly log: { readonly interactions: number }
  readonly eventStore: { readonly events: number }
  readonly userState: { readonly users: number; readonly events: number }
  readonly deadLetters: number
  readonly model: { readonly version: string; readonly users: number; readonly items: number } | null
}
