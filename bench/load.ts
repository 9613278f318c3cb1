import { fork } from 'node:child_process'

/** What a load process does: every connection sends one request after the other, from a place of its own in the list. */
export interface LoadJob {
  readonly url: string
  readonly requests: readonly { readonly method: string; readonly path: string; readonly body?: unknown }[]
  readonly connections: number
  readonly seconds: number
  readonly expectedStatus: number
}

export interface LoadResult {
  readonly replies: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Runs a job in a process of its own. @throws Error when any reply has another status, or a connection breaks. */
export function runLoad(job: LoadJob): Promise<LoadResult> {
  const child = fork(new URL('./load-process.ts', import.meta.url), { stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.once('message', (answer) => {
      const { result, failure } = answer as { result?: LoadResult; failure?: string }
      if (result !== undefined) resolve(result)
      else reject(new Error(failure))
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the load process ended with ${code}`)))
    child.send(job)
  })
}
