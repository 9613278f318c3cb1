import { MillraceError } from '../../../schemas/errors.ts'
import { type AppendJob, type PlacedEntry, placeGroup, stageRun } from './append-run.ts'
import { entryBytes } from './block.ts'
import type { CommitTable } from './commit-table.ts'
import type { Environment } from './environment.ts'
import { loadPartition } from './state.ts'

/** Bytes of appends that may wait or be written at one moment; beyond it appends are refused as OVERLOADED. */
export const IN_FLIGHT_BYTES_MAX = 64 * 1_048_576
const GROUP_BYTES_MAX = 8 * 1_048_576
/** How long a batch's commit may wait for company; a crash within it only repeats the batch. */
const COMMIT_DELAY_MS = 10

interface ExclusiveJob {
  readonly stage: () => () => void
  readonly settle: PromiseWithResolvers<void>
}

/** The only writer of the environment: one transaction at a time, each shared by every append that waits for it. */
export class Writer {
  readonly #environment: Environment
  readonly #commits: CommitTable
  readonly #now: () => number
  readonly #exclusives: ExclusiveJob[] = []
  #appends: AppendJob[] = []
  #inFlightBytes = 0
  #running: Promise<void> | null = null
  #commitTimer: NodeJS.Timeout | null = null
  #commitFailure: unknown = null

  constructor(environment: Environment, commits: CommitTable, now: () => number) {
    this.#environment = environment
    this.#commits = commits
    this.#now = now
  }

  /** Offsets in input order, once they are on the disk. */
  append(entries: readonly PlacedEntry[], signal: AbortSignal): Promise<readonly number[]> {
    let bytes = 0
    for (const { entry } of entries) bytes += entryBytes(entry)
    if (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > IN_FLIGHT_BYTES_MAX) {
      return Promise.reject(overloaded(this.#inFlightBytes))
    }
    this.#inFlightBytes += bytes
    const settle = Promise.withResolvers<readonly number[]>()
    this.#appends.push({ entries, bytes, signal, settle })
    this.#wake()
    return settle.promise
  }

  /** Runs `stage` in a transaction of its own; what it returns runs when that is on the disk, before any other write. */
  exclusive(stage: () => () => void): Promise<void> {
    const settle = Promise.withResolvers<void>()
    this.#exclusives.push({ stage, settle })
    this.#wake()
    return settle.promise
  }

  /** Resolves when the commit table is on the disk. */
  async commitOffsets(): Promise<void> {
    let restore = () => {}
    try {
      await this.exclusive(() => {
        restore = this.#commits.stage()
        return () => {}
      })
    } catch (error) {
      restore()
      throw error
    }
  }

  /** Writes the commit table within a few milliseconds; throws when the last attempt to do so failed. */
  commitOffsetsSoon(): void {
    this.#throwCommitFailure()
    this.#commitTimer ??= setTimeout(() => {
      this.#commitTimer = null
      this.#wake()
    }, COMMIT_DELAY_MS)
  }

  /** Resolves when everything asked for so far is on the disk or refused. */
  async drain(): Promise<void> {
    if (this.#commitTimer) clearTimeout(this.#commitTimer)
    this.#commitTimer = null
    this.#wake()
    while (this.#running) await this.#running
    this.#throwCommitFailure()
  }

  #wake(): void {
    this.#running ??= Promise.resolve().then(() => this.#run())
  }

  async #run(): Promise<void> {
    do {
      const exclusive = this.#exclusives.shift()
      if (exclusive) await this.#runExclusive(exclusive)
      await this.#writeGroup(this.#takeGroup())
    } while (this.#appends.length > 0 || this.#exclusives.length > 0)
    this.#running = null
  }

  async #runExclusive({ stage, settle }: ExclusiveJob): Promise<void> {
    let finish = () => {}
    try {
      await this.#environment.commit(() => {
        finish = stage()
      })
      finish()
      settle.resolve()
    } catch (error) {
      settle.reject(error)
    }
  }

  #takeGroup(): AppendJob[] {
    let bytes = 0
    let taken = 0
    while (taken < this.#appends.length && bytes < GROUP_BYTES_MAX) bytes += (this.#appends[taken++] as AppendJob).bytes
    const group = this.#appends.slice(0, taken)
    this.#appends = this.#appends.slice(taken)
    return group
  }

  async #writeGroup(group: readonly AppendJob[]): Promise<void> {
    if (group.length === 0 && !this.#commits.isDirty) return
    const placement = placeGroup(group, this.#now())
    let restoreCommits = () => {}
    try {
      await this.#environment.commit(() => {
        restoreCommits = this.#commits.stage()
        for (const run of placement.runs) stageRun(this.#environment, run)
      })
      for (const run of placement.runs) Object.assign(run.state, run.row)
      placement.settle()
      for (const run of placement.runs) for (const waiter of [...run.state.waiters]) waiter()
    } catch (error) {
      restoreCommits()
      for (const run of placement.runs) loadPartition(this.#environment, run.state)
      placement.fail(error)
      this.#commitFailure = error
    }
    for (const job of group) this.#inFlightBytes -= job.bytes
  }

  #throwCommitFailure(): void {
    const failure = this.#commitFailure
    this.#commitFailure = null
    if (failure !== null && this.#commits.isDirty) throw failure
  }
}

function overloaded(inFlightBytes: number): MillraceError {
  return new MillraceError(
    'OVERLOADED',
    `${inFlightBytes} bytes of appends are waiting for the disk, at most ${IN_FLIGHT_BYTES_MAX} may; retry in a moment with the same ids`,
  )
}
