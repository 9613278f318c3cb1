import { copyWithin, Output } from './unpacking.ts'

const FRAME = 0x184d2204
const STORED = 0x8000_0000
const MATCH_MIN = 4

/** Unpacks one LZ4 frame (lz4_Frame_format.md, version 1), its checksums unread: the log has one over the whole batch. */
export function unpackLz4(packed: Buffer): Buffer {
  if (packed.length < 7 || packed.readUInt32LE(0) !== FRAME) throw new Error('no LZ4 frame')
  const flags = packed.readUInt8(4)
  const blockChecksumBytes = flags & 0x10 ? 4 : 0
  let at = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0)
  const output = new Output(packed.length * 4)
  for (;;) {
    const head = packed.readUInt32LE(at)
    at += 4
    if (head === 0) return output.taken()
    const length = head % STORED
    const block = packed.subarray(at, at + length)
    if (block.length < length) throw new Error('an LZ4 block ends too early')
    if (head >= STORED) output.push(block)
    else unpackBlock(block, output)
    at += length + blockChecksumBytes
  }
}

/** Sequences of literals and a match each; the last has literals only. */
function unpackBlock(block: Buffer, output: Output): void {
  let at = 0
  const longer = (length: number): number => {
    if (length < 15) return length
    for (let more = 255; more === 255; length += more) more = block[at++] ?? 0
    return length
  }
  while (at < block.length) {
    const token = block[at++] as number
    const literals = longer(token >>> 4)
    output.push(block.subarray(at, at + literals))
    at += literals
    if (at >= block.length) return
    const distance = block.readUInt16LE(at)
    at += 2
    copyWithin(output, distance, longer(token & 15) + MATCH_MIN)
  }
}
