/**
 * All events as columns with dictionary ids, ordered by event time, then user id, then event id: one consistent window
 * for training. Typed arrays are backed by SharedArrayBuffer, so that workers read them without a copy.
 */
export interface EventColumns {
  readonly users: readonly string[]
  readonly items: readonly string[]
  readonly types: readonly string[]
  /** Each of length `length`; values index `users`, `items` and `types`. */
  readonly userIndex: Int32Array
  readonly itemIndex: Int32Array
  readonly typeIndex: Uint8Array
  /** Event time, epoch milliseconds. */
  readonly timestamp: Float64Array
  /** The event's value; NaN where it has none. */
  readonly value: Float64Array
  readonly length: number
}
