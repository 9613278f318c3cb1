import { MillraceError } from '../../schemas/errors.ts'

/** Reads what ByteWriter wrote. Running past the end is CORRUPT_FILE, never a made-up value. */
export class ByteReader {
  private readonly bytes: Buffer
  private position = 0

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get remaining(): number {
    return this.bytes.length - this.position
  }

  byte(): number {
    return this.bytes[this.advance(1)] ?? 0
  }

  varint(): number {
    let value = 0
    let factor = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) break
      factor *= 128
      if (factor > 2 ** 49) throw corrupt('a number is too long')
    }
    if (value > Number.MAX_SAFE_INTEGER) throw corrupt('a number is too large')
    return value
  }

  /** How many elements of at least `bytesEach` follow; a count that cannot be true is refused before it allocates. */
  count(bytesEach: number): number {
    const count = this.varint()
    if (count * bytesEach > this.remaining) throw corrupt(`${count} elements cannot fit into ${this.remaining} bytes`)
    return count
  }

  float64(): number {
    return this.bytes.readDoubleLE(this.advance(8))
  }

  float32(): number {
    return this.bytes.readFloatLE(this.advance(4))
  }

  /** An unsigned integer of 0 to 6 bytes, lowest first. */
  uint(bytes: number): number {
    return bytes === 0 ? 0 : this.bytes.readUIntLE(this.advance(bytes), bytes)
  }

  hash(): number {
    const at = this.advance(7)
    return this.bytes.readUInt32LE(at) + this.bytes.readUIntLE(at + 4, 3) * 0x1_0000_0000
  }

  ascii(): string {
    const length = this.count(1)
    const at = this.advance(length)
    return this.bytes.toString('latin1', at, at + length)
  }

  private advance(bytes: number): number {
    const at = this.position
    if (at + bytes > this.bytes.length) throw corrupt(`it ends after ${this.bytes.length} bytes`)
    this.position = at + bytes
    return at
  }
}

function corrupt(what: string): MillraceError {
  return new MillraceError(
    'CORRUPT_FILE',
    `a stored user record is damaged: ${what}; clear the user state to rebuild it`,
  )
}
