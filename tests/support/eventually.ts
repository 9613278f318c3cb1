const POLL_MS = 20

/** Waits for a condition that a real process brings about; fails with the last value after the deadline. */
export async function eventually<T>(
  look: () => Promise<T> | T,
  accept: (value: T) => boolean,
  deadlineMs = 30_000,
): Promise<T> {
  const end = Date.now() + deadlineMs
  for (;;) {
    const value = await look()
    if (accept(value)) return value
    if (Date.now() > end) throw new Error(`still not so after ${deadlineMs} ms: ${JSON.stringify(value)}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
