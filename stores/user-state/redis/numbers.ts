import { invariant } from '../../../schemas/errors.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'

/**
 * Exact numbers in few bytes. A number has a kind of four bits, kept by the caller, and bytes after it:
 * 0 float64, 1 zigzag varint, 2 float32, 3 to 15 the integers 1 to 13 (most weights) with no byte at all.
 */
export function kindOf(value: number): number {
  if (Number.isInteger(value) && !Object.is(value, -0)) {
    if (value >= 1 && value <= 13) return value + 2
    if (Math.abs(value) < 2 ** 31) return 1
  }
  return Math.fround(value) === value ? 2 : 0
}

export function writeNumber(value: number, kind: number, writer: ByteWriter): void {
  if (kind === 0) writer.float64(value)
  else if (kind === 1) writer.varint(value >= 0 ? value * 2 : -value * 2 - 1)
  else if (kind === 2) writer.float32(value)
}

export function readNumber(kind: number, reader: ByteReader): number {
  if (kind === 0) return reader.float64()
  if (kind === 2) return reader.float32()
  if (kind > 2) return kind - 2
  const zigzag = reader.varint()
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
}

/** Bytes of a span by the two lowest bits of its first byte: 6, 22, 30 or 46 bits (0.1 s, 1.2 h, 12 d, 2,230 years). */
const SPAN_BYTES = [1, 3, 4, 6] as const

/** Milliseconds between two events: days mostly, for which a varint would need a byte more. */
export function writeSpan(ms: number, writer: ByteWriter): void {
  const size = ms < 2 ** 6 ? 0 : ms < 2 ** 22 ? 1 : ms < 2 ** 30 ? 2 : 3
  invariant(ms >= 0 && ms < 2 ** 46, `two events of a user lie ${ms} ms apart`)
  writer.uint(ms * 4 + size, SPAN_BYTES[size])
}

export function readSpan(reader: ByteReader): number {
  const first = reader.byte()
  const rest = (SPAN_BYTES[(first & 3) as 0 | 1 | 2 | 3] ?? 1) - 1
  return (first >>> 2) + reader.uint(rest) * 64
}
