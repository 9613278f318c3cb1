/** Masks are looked at in words of this many bytes. */
const WORD = 4
/** A mask is sparse when at most one word in so many is not zero. */
const SPARSE_WORDS = 32

/** Whether a mask of one byte an item allows so few items that looking at each of them beats any search. */
export function isSparse(allow: Uint8Array): boolean {
  const { words } = split(allow)
  const most = words.length / SPARSE_WORDS
  let used = 0
  for (let at = 0; at < words.length; at++) if (words[at] !== 0 && ++used > most) return false
  return true
}

/** Calls `use` with every item whose byte is not zero, in their order. */
export function forEachAllowed(allow: Uint8Array, use: (item: number) => void): void {
  const { head, words, tail } = split(allow)
  const look = (from: number, to: number): void => {
    for (let item = from; item < to; item++) if (allow[item] !== 0) use(item)
  }
  look(0, head)
  for (let at = 0; at < words.length; at++) {
    if (words[at] !== 0) look(head + at * WORD, head + (at + 1) * WORD)
  }
  look(tail, allow.length)
}

/** The aligned words of a mask, and where the bytes before and after them end and begin. */
function split(allow: Uint8Array): { head: number; words: Int32Array; tail: number } {
  const head = Math.min(allow.length, (WORD - (allow.byteOffset % WORD)) % WORD)
  const length = Math.floor((allow.length - head) / WORD)
  return { head, words: new Int32Array(allow.buffer, allow.byteOffset + head, length), tail: head + length * WORD }
}
