import { invariant } from '../../schemas/errors.ts'

/** Appends numbers and text to a buffer that grows; reused from record to record. */
export class ByteWriter {
  private buffer: Buffer = Buffer.allocUnsafeSlow(4_096)
  private length = 0

  /** A copy of everything written since the last call. */
  take(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.length)
    this.buffer.copy(bytes, 0, 0, this.length)
    this.length = 0
    return bytes
  }

  byte(value: number): void {
    this.reserve(1)
    this.buffer[this.length++] = value
  }

  /** An integer from 0 to 2^53 - 1 in groups of seven bits, lowest first. */
  varint(value: number): void {
    this.reserve(8)
    const { buffer } = this
    let rest = value
    while (rest >= 0x8000_0000) {
      buffer[this.length++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest >= 0x80) {
      buffer[this.length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[this.length++] = rest
  }

  float64(value: number): void {
    this.reserve(8)
    this.length = this.buffer.writeDoubleLE(value, this.length)
  }

  float32(value: number): void {
    this.reserve(4)
    this.length = this.buffer.writeFloatLE(value, this.length)
  }

  /** An unsigned integer in 0 to 6 bytes, lowest first. */
  uint(value: number, bytes: number): void {
    if (bytes === 0) return
    this.reserve(bytes)
    this.length = this.buffer.writeUIntLE(value, this.length, bytes)
  }

  /** 53 bits in seven bytes. */
  hash(value: number): void {
    this.reserve(7)
    this.length = this.buffer.writeUInt32LE(value % 0x1_0000_0000, this.length)
    this.length = this.buffer.writeUIntLE(Math.floor(value / 0x1_0000_0000), this.length, 3)
  }

  /** Ids are printable ASCII (schemas/identifiers.ts), one byte a character. */
  ascii(text: string): void {
    this.varint(text.length)
    this.reserve(text.length)
    const { buffer } = this
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      invariant(code < 128, `an id has the character code ${code}`)
      buffer[this.length++] = code
    }
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.length + bytes))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }
}
