/**
 * Distinct (user, item) pairs of one stretch of time with their decayed strengths. Users are indexes into
 * `EventColumns.users`; items are ranks: positions in the ascending order of all item ids, so that a smaller number
 * wins ties. Every seen pair is listed, also one whose strength cancels out to 0.
 */
export interface PairTable {
  readonly users: number
  readonly items: number
  /** Length users + 1. */
  readonly pointers: Int32Array
  /** Ascending within a user, no repeats. */
  readonly itemRanks: Int32Array
  /** Net strength, finite, may be negative or 0. */
  readonly strengths: Float64Array
  /** Events that were summed. */
  readonly events: number
}

/** A copy in shared memory, which threads get without another copy. */
export function sharedCopy<T extends Int32Array | Float64Array>(numbers: T): T {
  const memory = new SharedArrayBuffer(numbers.byteLength)
  const copy = (numbers instanceof Int32Array ? new Int32Array(memory) : new Float64Array(memory)) as T
  copy.set(numbers)
  return copy
}

/** Item ranks of one user. */
export function itemsOf(pairs: Pick<PairTable, 'pointers' | 'itemRanks'>, user: number): Int32Array {
  return pairs.itemRanks.subarray(pairs.pointers[user], pairs.pointers[user + 1])
}

export function strengthsOf(pairs: PairTable, user: number): Float64Array {
  return pairs.strengths.subarray(pairs.pointers[user], pairs.pointers[user + 1])
}
