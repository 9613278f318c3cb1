const SLOTS_INITIAL = 1 << 12

/**
 * Numbers distinct ids in the order of their first appearance, straight from bytes: no string is made for an id that is
 * known already. Open addressing over a power of two, at most half full.
 */
export interface IdDictionary {
  /** The number of the id in `bytes[start..end)`. */
  indexOf(bytes: Buffer, start: number, end: number): number
  /** All ids so far, by number. */
  readonly ids: readonly string[]
}

export function createIdDictionary(): IdDictionary {
  const ids: string[] = []
  const texts: Buffer[] = []
  let hashes = new Int32Array(SLOTS_INITIAL)
  let slots = new Int32Array(SLOTS_INITIAL)

  function grow(): void {
    const [oldHashes, oldSlots] = [hashes, slots]
    hashes = new Int32Array(oldHashes.length * 2)
    slots = new Int32Array(oldSlots.length * 2)
    const mask = slots.length - 1
    for (let old = 0; old < oldSlots.length; old++) {
      const entry = oldSlots[old] as number
      if (entry === 0) continue
      const hash = oldHashes[old] as number
      let slot = hash & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = entry
      hashes[slot] = hash
    }
  }

  return {
    indexOf(bytes, start, end) {
      const hash = hashOf(bytes, start, end)
      const mask = slots.length - 1
      let slot = hash & mask
      for (;;) {
        const entry = slots[slot] as number
        if (entry === 0) break
        if (hashes[slot] === hash && isSame(texts[entry - 1] as Buffer, bytes, start, end)) return entry - 1
        slot = (slot + 1) & mask
      }
      ids.push(bytes.toString('utf8', start, end))
      texts.push(Buffer.from(bytes.subarray(start, end)))
      slots[slot] = texts.length
      hashes[slot] = hash
      if (texts.length * 2 > slots.length) grow()
      return texts.length - 1
    },
    ids,
  }
}

/** Whether `text` is what stands in `bytes[start..end)`. */
export function isSame(text: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false
  for (let index = 0; index < text.length; index++) if (text[index] !== bytes[start + index]) return false
  return true
}

/** FNV-1a, mixed once more because the table takes the low bits. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let index = start; index < end; index++) hash = Math.imul(hash ^ (bytes[index] as number), 0x01000193)
  return hash ^ (hash >>> 15)
}
