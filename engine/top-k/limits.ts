/** Largest k of a query. */
export const K_MAX = 1_000

/** Largest magnitude of a factor, so that no dot product of 512 factors overflows float32. */
export const FACTOR_MAX = 1e17
