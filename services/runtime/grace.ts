/** Time a batch has to end by itself after shutdown was asked for, so that its work is committed rather than repeated. */
const GRACE_MS = 5_000

/** A signal that follows `signal` after a grace period; dispose it when the work has ended. */
export function withGrace(
  signal: AbortSignal,
  graceMs: number = GRACE_MS,
): Disposable & { readonly signal: AbortSignal } {
  const late = new AbortController()
  let timer: NodeJS.Timeout | null = null
  const start = () => {
    timer = setTimeout(() => late.abort(signal.reason), graceMs)
  }
  if (signal.aborted) late.abort(signal.reason)
  else signal.addEventListener('abort', start, { once: true })
  return {
    signal: late.signal,
    [Symbol.dispose]() {
      signal.removeEventListener('abort', start)
      if (timer) clearTimeout(timer)
    },
  }
}
