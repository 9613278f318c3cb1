import { MillraceError } from '../../schemas/errors.ts'

/** Lets a bounded number through at once; the rest wait in order, and beyond `waitingMax` are refused. */
export interface Turnstile {
  /** @throws MillraceError STORE_UNAVAILABLE when full or closed, ABORTED when `signal` fires while waiting. */
  enter(signal: AbortSignal): Promise<Disposable>
  /** Refuses whoever waits and whoever comes, and resolves when the last one inside has left. */
  close(): Promise<void>
}

interface Waiting {
  readonly admit: () => void
  readonly refuse: (error: MillraceError) => void
}

export function createTurnstile(name: string, limits: { insideMax: number; waitingMax: number }): Turnstile {
  const waiting = new Set<Waiting>()
  let inside = 0
  let closing: PromiseWithResolvers<void> | null = null

  function leave(): void {
    inside--
    const next = waiting.values().next().value
    if (next !== undefined) {
      waiting.delete(next)
      next.admit()
    } else if (inside === 0) closing?.resolve()
  }

  function admitted(): Disposable {
    let left = false
    inside++
    return {
      [Symbol.dispose]() {
        if (!left) leave()
        left = true
      },
    }
  }

  return {
    enter(signal) {
      if (signal.aborted) return Promise.reject(aborted(name, signal))
      if (closing !== null) return Promise.reject(closed(name))
      if (inside < limits.insideMax) return Promise.resolve(admitted())
      if (waiting.size >= limits.waitingMax) return Promise.reject(full(name, limits.waitingMax))
      const { promise, resolve, reject } = Promise.withResolvers<Disposable>()
      const onAbort = () => {
        waiting.delete(entry)
        reject(aborted(name, signal))
      }
      const entry: Waiting = {
        admit() {
          signal.removeEventListener('abort', onAbort)
          resolve(admitted())
        },
        refuse(error) {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      waiting.add(entry)
      return promise
    },
    close() {
      if (closing === null) {
        closing = Promise.withResolvers<void>()
        for (const entry of waiting) entry.refuse(closed(name))
        waiting.clear()
        if (inside === 0) closing.resolve()
      }
      return closing.promise
    },
  }
}

function full(name: string, waitingMax: number): MillraceError {
  return new MillraceError('STORE_UNAVAILABLE', `${name}: ${waitingMax} calls wait already; try again later`)
}

function closed(name: string): MillraceError {
  return new MillraceError('STORE_UNAVAILABLE', `${name}: the store is closed`)
}

function aborted(name: string, signal: AbortSignal): MillraceError {
  return new MillraceError('ABORTED', `${name}: aborted before it began`, { cause: signal.reason })
}
