import type { InteractionInput } from '../../../schemas/interaction.ts'

/** A row that was read and is waiting to be sent. */
export interface PendingRow {
  readonly row: number
  readonly line: number
  readonly event: InteractionInput
}

/** Which rows need not be sent any more: all below `nextRow`, and those in `doneRanges` ([from, to), ascending). */
export interface RowProgress {
  readonly nextRow: number
  readonly doneRanges: readonly (readonly [number, number])[]
}

export interface BatchLimits {
  readonly eventsMax: number
  readonly eventsPerUserMax: number
}

/**
 * Rows read ahead, from which batches are taken in file order; a user with `eventsPerUserMax` rows in a batch waits for
 * the next one, so that one large basket does not make every batch small. Rows of a user are always taken in order.
 */
export class ReadAhead {
  private readonly limits: BatchLimits
  private pending: PendingRow[] = []
  /** One past the last row read. */
  private readTo: number

  constructor(limits: BatchLimits, from: number) {
    this.limits = limits
    this.readTo = from
  }

  get size(): number {
    return this.pending.length
  }

  /** Adds the next row to send; rows left out in between are done (rejected, or sent before). */
  add(row: PendingRow): void {
    this.pending.push(row)
    this.readTo = row.row + 1
  }

  /** Tells that everything up to and including `row` has been read. */
  readPast(row: number): void {
    this.readTo = row + 1
  }

  /** The next batch, which is no longer pending; empty when nothing is. */
  take(): readonly PendingRow[] {
    const perUser = new Map<string, number>()
    const taken: PendingRow[] = []
    const left: PendingRow[] = []
    for (const row of this.pending) {
      const count = perUser.get(row.event.userId) ?? 0
      if (taken.length < this.limits.eventsMax && count < this.limits.eventsPerUserMax) {
        perUser.set(row.event.userId, count + 1)
        taken.push(row)
      } else left.push(row)
    }
    this.pending = left
    return taken
  }

  /** What is done once everything taken so far was answered. */
  progress(): RowProgress {
    const first = this.pending[0]
    if (!first) return { nextRow: this.readTo, doneRanges: [] }
    const doneRanges: [number, number][] = []
    let from = first.row
    for (const { row } of this.pending) {
      if (row > from) doneRanges.push([from, row])
      from = row + 1
    }
    if (this.readTo > from) doneRanges.push([from, this.readTo])
    return { nextRow: first.row, doneRanges }
  }
}

/** Rows below `nextRow` or in a done range: were answered before the interruption. Call with ascending rows. */
export function createDoneCheck({ nextRow, doneRanges }: RowProgress): (row: number) => boolean {
  let at = 0
  return (row) => {
    if (row < nextRow) return true
    while (at < doneRanges.length && (doneRanges[at]?.[1] ?? 0) <= row) at++
    const range = doneRanges[at]
    return range !== undefined && row >= range[0]
  }
}
