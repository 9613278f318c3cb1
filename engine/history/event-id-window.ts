import { eventIdHash } from './event-id-hash.ts'

/** From this many events on, a set answers faster than a scan of the window. */
const SET_PAYS_FROM = 8

/** The last `idsMax` event ids of a user as hashes, while events are being merged. Lives for one merge. */
export class EventIdWindow {
  private readonly hashes: number[]
  private readonly known: Set<number> | null
  private readonly idsMax: number
  private head = 0

  constructor(hashes: readonly number[], idsMax: number, eventsExpected: number) {
    this.hashes = hashes.slice()
    this.idsMax = idsMax
    this.known = eventsExpected >= SET_PAYS_FROM ? new Set(hashes) : null
  }

  /** false, changing nothing, where the id is remembered; otherwise remembers it and lets the oldest one go. */
  add(eventId: string): boolean {
    const hash = eventIdHash(eventId)
    if (this.known ? this.known.has(hash) : this.hashes.indexOf(hash, this.head) >= 0) return false
    this.hashes.push(hash)
    this.known?.add(hash)
    while (this.hashes.length - this.head > this.idsMax) {
      this.known?.delete(this.hashes[this.head] ?? Number.NaN)
      this.head++
    }
    return true
  }

  /** Oldest first. */
  toArray(): readonly number[] {
    return this.head === 0 ? this.hashes : this.hashes.slice(this.head)
  }
}
