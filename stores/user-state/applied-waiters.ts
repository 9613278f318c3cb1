import { MillraceError } from '../../schemas/errors.ts'

/** Reads that wait for their own writes at the same time, at most. Beyond, waiting is refused with OVERLOADED. */
export const WAITERS_MAX = 10_000

interface Waiter {
  readonly target: ReadonlyMap<string, number>
  readonly settle: (reached: boolean | MillraceError) => void
  /** The one unmet partition under which it is listed. */
  listedUnder: string
}

/** Wakes readers the moment `applied` passes what they wait for. A waiter costs nothing until its partition moves. */
export class AppliedWaiters {
  private readonly byPartition = new Map<string, Set<Waiter>>()
  private readonly applied: ReadonlyMap<string, number>
  private waiting = 0

  /** `applied` is the live map; `wake` is called after each change of it. */
  constructor(applied: ReadonlyMap<string, number>) {
    this.applied = applied
  }

  /** @throws MillraceError OVERLOADED when WAITERS_MAX wait already, ABORTED when `signal` aborts. */
  async wait(
    target: ReadonlyMap<string, number>,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<boolean> {
    const unmet = this.firstUnmet(target)
    if (unmet === null) return true
    if (signal.aborted) throw aborted()
    if (timeoutMs <= 0) return false
    if (this.waiting >= WAITERS_MAX) {
      throw new MillraceError('OVERLOADED', `${this.waiting} reads wait for their writes already; retry in a second`)
    }
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    const settle = (reached: boolean | MillraceError) => {
      this.unlist(waiter)
      if (reached instanceof MillraceError) reject(reached)
      else resolve(reached)
    }
    const waiter: Waiter = { target, settle, listedUnder: unmet }
    const onAbort = () => settle(aborted())
    const timer = setTimeout(settle, timeoutMs, false)
    signal.addEventListener('abort', onAbort, { once: true })
    this.waiting++
    this.list(waiter)
    try {
      return await promise
    } finally {
      this.waiting--
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  wake(partitions: Iterable<string>): void {
    for (const partition of partitions) {
      for (const waiter of [...(this.byPartition.get(partition) ?? [])]) {
        const unmet = this.firstUnmet(waiter.target)
        if (unmet === null) waiter.settle(true)
        else if (unmet !== waiter.listedUnder) {
          this.unlist(waiter)
          waiter.listedUnder = unmet
          this.list(waiter)
        }
      }
    }
  }

  /** Ends every wait with ABORTED. */
  close(): void {
    for (const waiters of [...this.byPartition.values()]) for (const waiter of [...waiters]) waiter.settle(aborted())
  }

  private firstUnmet(target: ReadonlyMap<string, number>): string | null {
    for (const [partition, offset] of target) if ((this.applied.get(partition) ?? 0) < offset) return partition
    return null
  }

  private list(waiter: Waiter): void {
    const listed = this.byPartition.get(waiter.listedUnder)
    if (listed) listed.add(waiter)
    else this.byPartition.set(waiter.listedUnder, new Set([waiter]))
  }

  private unlist(waiter: Waiter): void {
    const listed = this.byPartition.get(waiter.listedUnder)
    listed?.delete(waiter)
    if (listed?.size === 0) this.byPartition.delete(waiter.listedUnder)
  }
}

function aborted(): MillraceError {
  return new MillraceError('ABORTED', 'waiting for applied offsets was aborted')
}
