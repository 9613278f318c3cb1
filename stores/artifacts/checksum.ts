import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

/** Hashed at a time between turns of the event loop: a few milliseconds. */
const HASH_BYTES_PER_TURN = 4_194_304

/** Hex; gives way to other work in between, and to `signal`. */
export async function sha256(content: Uint8Array, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for (let start = 0; start < content.byteLength; start += HASH_BYTES_PER_TURN) {
    if (start > 0) await setImmediate()
    signal.throwIfAborted()
    hash.update(content.subarray(start, start + HASH_BYTES_PER_TURN))
  }
  return hash.digest('hex')
}
