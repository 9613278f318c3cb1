import { createRequire } from 'node:module'

interface RequestQueue {
  /** Epoch milliseconds; -1 while the broker does not throttle. */
  throttledUntil: number
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

const MENDED = Symbol('mended')
/** Ahead of any pause between two lines of code. */
const CHECK_DELAY_MS = 20

/**
 * The client (2.2.4) sets a timer for a moment long past when nothing is throttled. Node 24 takes that for 1 ms and warns of
 * it on stderr at each start; here the moment lies ahead from the beginning.
 */
export function mendRequestQueue(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as {
    prototype: RequestQueue & { [MENDED]?: true }
  }
  if (prototype[MENDED]) return
  prototype[MENDED] = true
  const schedule = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    const { throttledUntil, pending } = this
    if (pending.length === 0) this.throttledUntil = Math.max(throttledUntil, Date.now() + CHECK_DELAY_MS)
    schedule.call(this)
    this.throttledUntil = throttledUntil
  }
}
