/** A batch of the broker's usual size limit, packed a hundred to one: larger ones are made to fill memory. */
export const UNPACKED_BYTES_MAX = 128 * 1_048_576

export function tooLarge(): Error {
  return new Error(`a packed batch holds more than ${UNPACKED_BYTES_MAX} bytes`)
}

/** Bytes that grow as they are unpacked. */
export class Output {
  bytes: Buffer
  length = 0

  constructor(expected: number) {
    this.bytes = Buffer.allocUnsafe(Math.min(Math.max(1_024, expected), UNPACKED_BYTES_MAX))
  }

  push(piece: Buffer): void {
    this.reserve(piece.length)
    piece.copy(this.bytes, this.length)
    this.length += piece.length
  }

  /** @throws Error beyond `UNPACKED_BYTES_MAX`. */
  reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    if (needed > UNPACKED_BYTES_MAX) throw tooLarge()
    const larger = Buffer.allocUnsafe(Math.min(Math.max(this.bytes.length * 2, needed), UNPACKED_BYTES_MAX))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }

  taken(): Buffer {
    return this.bytes.subarray(0, this.length)
  }
}

/** Repeats `length` bytes that lie `distance` before the end, which they may reach over. @throws Error before the start. */
export function copyWithin(output: Output, distance: number, length: number): void {
  if (distance < 1 || distance > output.length) throw new Error('a packed batch refers to bytes before its start')
  output.reserve(length)
  const { bytes } = output
  let at = output.length
  const end = at + length
  if (distance >= length) bytes.copyWithin(at, at - distance, at - distance + length)
  else for (; at < end; at++) bytes[at] = bytes[at - distance] as number
  output.length = end
}
