import { setTimeout as pause } from 'node:timers/promises'

/** What runs until it is stopped. Dispose aborts the signal and waits for everything. */
export interface Tasks extends AsyncDisposable {
  readonly signal: AbortSignal
  /** Rejects when a task ends although nobody stopped it. */
  readonly failed: Promise<never>
  add(name: string, running: Promise<void>): void
}

export function startTasks(): Tasks {
  const stopping = new AbortController()
  const running: Promise<void>[] = []
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  return {
    signal: stopping.signal,
    failed: failure.promise,
    add(name, task) {
      const ended = task.then(
        () => {
          if (!stopping.signal.aborted) failure.reject(new Error(`${name} ended although nobody stopped it`))
        },
        (error) => {
          if (!stopping.signal.aborted) failure.reject(error)
        },
      )
      running.push(ended)
    },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await Promise.all(running)
    },
  }
}

/** Works every `everyMs`, first after one pause, until `signal` aborts. */
export async function repeatedly(everyMs: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(everyMs, undefined, { signal }).catch(() => undefined)
    if (!signal.aborted) await work()
  }
}
