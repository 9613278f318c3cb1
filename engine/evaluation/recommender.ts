/**
 * What is evaluated: up to k item ranks for a user (an index into `EventColumns.users`), best first, none that the user
 * has in the past, each at most once.
 */
export type Recommend = (user: number, k: number) => Int32Array

/** Takes the first k of `order` that are not among `seen` (ascending). */
export function firstUnseen(order: Int32Array, seen: Int32Array, k: number): Int32Array {
  const excluded = new Set(seen)
  const list: number[] = []
  for (const item of order) {
    if (list.length === k) break
    if (!excluded.has(item)) list.push(item)
  }
  return Int32Array.from(list)
}

/** `list` filled up to k from `order`, skipping what is seen or already listed. */
export function fillUp(list: Int32Array, order: Int32Array, seen: Int32Array, k: number): Int32Array {
  if (list.length >= k) return list
  const excluded = new Set(seen)
  for (const item of list) excluded.add(item)
  const filled = [...list]
  for (const item of order) {
    if (filled.length === k) break
    if (!excluded.has(item)) filled.push(item)
  }
  return Int32Array.from(filled)
}
