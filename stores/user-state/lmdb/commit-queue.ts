/** One write: `stage` puts, and its result is delivered only after the commit. */
interface QueuedWrite {
  readonly stage: () => void
  readonly done: PromiseWithResolvers<void>
}

/**
 * One transaction at a time; everything asked for meanwhile goes into the next one together, in order. So `stage`
 * functions may read what the writes before them staged, and a failed transaction fails all of its writes and no other.
 */
export class CommitQueue {
  private readonly commit: (stage: () => void) => Promise<void>
  private readonly settled: (committed: boolean) => void
  private queued: QueuedWrite[] = []
  private running: Promise<void> | null = null

  /** `settled` is called once after each transaction, before its writes resolve. */
  constructor(commit: (stage: () => void) => Promise<void>, settled: (committed: boolean) => void) {
    this.commit = commit
    this.settled = settled
  }

  write(stage: () => void): Promise<void> {
    const done = Promise.withResolvers<void>()
    this.queued.push({ stage, done })
    this.running ??= this.run()
    return done.promise
  }

  /** Resolves when nothing is queued or running. */
  async idle(): Promise<void> {
    while (this.running) await this.running
  }

  private async run(): Promise<void> {
    await null
    while (this.queued.length > 0) {
      const writes = this.queued
      this.queued = []
      try {
        await this.commit(() => {
          for (const write of writes) write.stage()
        })
        this.settled(true)
        for (const write of writes) write.done.resolve()
      } catch (error) {
        this.settled(false)
        for (const write of writes) write.done.reject(error)
      }
    }
    this.running = null
  }
}
