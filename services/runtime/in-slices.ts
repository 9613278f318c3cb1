import { setImmediate as nextTurn } from 'node:timers/promises'

const SLICE_MS = 4

/** Goes through steps (each well under a millisecond) in slices of a few milliseconds, with other work between them. */
export async function inSlices<T>(steps: Iterator<void, T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    await nextTurn()
    signal?.throwIfAborted()
    const startedAt = performance.now()
    while (performance.now() - startedAt < SLICE_MS) {
      const { done, value } = steps.next()
      if (done) return value
    }
  }
}
