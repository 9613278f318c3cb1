import { setImmediate } from 'node:timers/promises'

const DIGIT_BITS = 16
const DIGITS = 1 << DIGIT_BITS
/** Rows per step between two turns of the event loop: a fraction of a millisecond. */
export const ROWS_PER_STEP = 65_536

/**
 * The rows by ascending time, equal times in their given order: a stable radix sort from the least significant 16 bits.
 * `timestamps` are whole numbers, at most 2^53 apart.
 */
export async function orderByTime(timestamps: Float64Array, signal: AbortSignal): Promise<Uint32Array> {
  const length = timestamps.length
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  await inSteps(length, signal, (row) => {
    const time = timestamps[row] as number
    if (time < first) first = time
    if (time > last) last = time
  })
  let order = new Uint32Array(length)
  await inSteps(length, signal, (row) => {
    order[row] = row
  })
  let next = new Uint32Array(length)
  for (let unit = 1; unit <= last - first; unit *= DIGITS) {
    const digitOf = (row: number) => Math.floor(((timestamps[row] as number) - first) / unit) % DIGITS
    const places = new Uint32Array(DIGITS + 1)
    await inSteps(length, signal, (row) => {
      places[digitOf(row) + 1]!++
    })
    for (let digit = 0; digit < DIGITS; digit++) places[digit + 1]! += places[digit] as number
    const [from, to] = [order, next]
    await inSteps(length, signal, (place) => {
      const row = from[place] as number
      to[places[digitOf(row)]!++] = row
    })
    ;[order, next] = [to, from]
  }
  return order
}

/** Calls `work` for 0 to `length` - 1, giving the event loop a turn after every ROWS_PER_STEP. */
export async function inSteps(length: number, signal: AbortSignal, work: (index: number) => void): Promise<void> {
  for (let start = 0; start < length; start += ROWS_PER_STEP) {
    signal.throwIfAborted()
    const end = Math.min(length, start + ROWS_PER_STEP)
    for (let index = start; index < end; index++) work(index)
    await setImmediate()
  }
}
