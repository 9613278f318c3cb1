/** Asking takes at most this share of the time, however often the answer is wanted. */
const ASKING_SHARE_MAX = 0.1
/** An answer is never used for longer. */
export const ANSWER_AGE_MAX_MS = 30_000

/**
 * An answer that costs the more to get the larger the data is, for callers who may come at any rate: it is kept for nine
 * times as long as getting it took, at most ANSWER_AGE_MAX_MS. What is quick to get is asked for again almost at once;
 * who comes while it is being got shares it; a failure is not kept. `now` in epoch milliseconds.
 */
export function createRecentAnswer<T>(now: () => number): (ask: () => Promise<T>) => Promise<T> {
  let kept: { readonly answer: Promise<T>; at: number; forMs: number } | null = null
  return (ask) => {
    // Both ways, so that nothing is kept for long because the clock was set back.
    if (kept !== null && Math.abs(now() - kept.at) < kept.forMs) return kept.answer
    const asked = { answer: ask(), at: now(), forMs: ANSWER_AGE_MAX_MS }
    kept = asked
    asked.answer.then(
      () => {
        const tookMs = Math.abs(now() - asked.at)
        asked.at = now()
        asked.forMs = Math.min(tookMs * (1 / ASKING_SHARE_MAX - 1), ANSWER_AGE_MAX_MS)
      },
      () => {
        if (kept === asked) kept = null
      },
    )
    return asked.answer
  }
}
