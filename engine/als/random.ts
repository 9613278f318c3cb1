/** A number in [0, 1) from a seed and a counter: the same wherever and in whatever order it is asked for (murmur3's finaliser). */
export function uniformAt(seed: number, counter: number): number {
  let hash = Math.imul(counter ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(seed + 0x7f4a7c15, 0xc2b2ae35)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 4_294_967_296
}
