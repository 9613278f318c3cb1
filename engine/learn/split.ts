import type { EventColumns } from '../../schemas/event-columns.ts'
import type { EventRange } from './pairs.ts'

/** Share of the events that is held out: the last in time. */
export const HOLDOUT_SHARE = 0.1

export interface TimeSplit {
  readonly past: EventRange
  readonly future: EventRange
  /** Event time of the first held-out event; everything before it is the past. */
  readonly at: number
}

/**
 * Cuts a range of events (ascending in time) between two distinct timestamps, so that events of one moment, an invoice
 * say, stay together. Tie rule: the future begins with the first event of the timestamp at the (1 - share) position, so
 * it holds at least `share` of the events; when that would leave no past, it begins at the next later timestamp.
 * null when all events have the same time.
 */
export function splitByTime(columns: EventColumns, range: EventRange, share: number): TimeSplit | null {
  const { timestamp } = columns
  let cut = range.from + Math.floor((range.to - range.from) * (1 - share))
  while (cut > range.from && cut < range.to && timestamp[cut - 1] === timestamp[cut]) cut--
  if (cut === range.from) while (cut < range.to && timestamp[cut] === timestamp[range.from]) cut++
  if (cut >= range.to) return null
  return { past: { from: range.from, to: cut }, future: { from: cut, to: range.to }, at: timestamp[cut]! }
}
