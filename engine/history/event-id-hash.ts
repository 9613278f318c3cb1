/**
 * 48-bit hash of an event id: two 32-bit FNV-1a style lanes with different primes that feed each other, each finished by
 * MurmurHash3's avalanche. Two different ids of one user meet within a window of 64 with a chance of about 64 / 2^48
 * (2e-13): short, because every user state keeps up to EVENT_IDS_MAX of them per user.
 */
export function eventIdHash(eventId: string): number {
  let low = 0x811c9dc5
  let high = 0x9e3779b9 ^ eventId.length
  for (let index = 0; index < eventId.length; index++) {
    const code = eventId.charCodeAt(index)
    low = Math.imul(low ^ code, 0x01000193)
    high = Math.imul(high ^ code ^ (low >>> 15), 0x85ebca77)
  }
  low = avalanche(low ^ (high >>> 7))
  high = avalanche(high ^ low)
  return ((high >>> 11) & 0xffff) * 0x1_0000_0000 + (low >>> 0)
}

function avalanche(bits: number): number {
  let mixed = bits ^ (bits >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
