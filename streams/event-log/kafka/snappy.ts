import { copyWithin, Output } from './unpacking.ts'

/** What Java producers put before blocks with a length each; other producers send one block as it is. */
const STREAM = Buffer.from('82534e4150505900', 'hex')
const STREAM_HEAD_BYTES = 16

/** Unpacks Snappy (format_description.txt), in the stream of snappy-java or as one block. */
export function unpackSnappy(packed: Buffer): Buffer {
  const output = new Output(packed.length * 4)
  if (!packed.subarray(0, STREAM.length).equals(STREAM)) {
    unpackBlock(packed, output)
    return output.taken()
  }
  for (let at = STREAM_HEAD_BYTES; at < packed.length; ) {
    const length = packed.readUInt32BE(at)
    const block = packed.subarray(at + 4, at + 4 + length)
    if (block.length < length) throw new Error('a Snappy block ends too early')
    unpackBlock(block, output)
    at += 4 + length
  }
  return output.taken()
}

/** The unpacked length as a varint, then elements: literals, or copies with a distance of 11, 16 or 32 bits. */
function unpackBlock(block: Buffer, output: Output): void {
  let at = 0
  while ((block[at++] ?? 0) >= 0x80);
  while (at < block.length) {
    const tag = block[at++] as number
    const high = tag >>> 2
    const kind = tag & 3
    if (kind === 0) {
      const lengthBytes = Math.max(0, high - 59)
      const length = (lengthBytes === 0 ? high : block.readUIntLE(at, lengthBytes)) + 1
      at += lengthBytes
      output.push(block.subarray(at, at + length))
      at += length
    } else if (kind === 1) {
      copyWithin(output, ((tag >>> 5) << 8) | block.readUInt8(at), (high & 7) + 4)
      at += 1
    } else {
      const distanceBytes = kind === 2 ? 2 : 4
      copyWithin(output, block.readUIntLE(at, distanceBytes), high + 1)
      at += distanceBytes
    }
  }
}
