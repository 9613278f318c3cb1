import { setImmediate as nextTurn } from 'node:timers/promises'

/** Ids packed before the event loop gets its turn: well under a millisecond. */
const PACK_IDS = 10_000

/** A list of ids (printable ASCII) in shared memory: a worker gets it without a copy and without blocking anyone. */
export interface PackedIds {
  /** Length ids + 1, into `bytes`. */
  readonly offsets: Int32Array
  readonly bytes: Uint8Array
}

export async function packIds(ids: readonly string[]): Promise<PackedIds> {
  const offsets = new Int32Array(new SharedArrayBuffer((ids.length + 1) * 4))
  for (let index = 0; index < ids.length; index++) offsets[index + 1] = offsets[index]! + ids[index]!.length
  const bytes = new Uint8Array(new SharedArrayBuffer(offsets[ids.length]!))
  for (let index = 0; index < ids.length; index++) {
    if (index % PACK_IDS === PACK_IDS - 1) await nextTurn()
    const id = ids[index]!
    const start = offsets[index]!
    for (let place = 0; place < id.length; place++) bytes[start + place] = id.charCodeAt(place)
  }
  return { offsets, bytes }
}

export function unpackIds({ offsets, bytes }: PackedIds): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: offsets.length - 1 }, (_, index) =>
    text.toString('latin1', offsets[index], offsets[index + 1]),
  )
}
