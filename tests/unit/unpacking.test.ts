// What real encoders pack is read in tests/services/kafka-topics.test.ts; here is what no encoder would write.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unpackLz4 } from '../../streams/event-log/kafka/lz4.ts'
import { unpackSnappy } from '../../streams/event-log/kafka/snappy.ts'

const TEXT = 'abcabcabcabchello'
const LZ4_HEAD = Buffer.from('04224d18604082', 'hex')
/** Three literals, a match of nine that reaches into itself, five literals. */
const LZ4_BLOCK = Buffer.from([0x35, ...Buffer.from('abc'), 3, 0, 0x50, ...Buffer.from('hello')])
const SNAPPY_BLOCK = Buffer.from([TEXT.length, 0x08, ...Buffer.from('abc'), 0x15, 3, 0x10, ...Buffer.from('hello')])
const UNPACKERS = [
  { name: 'LZ4', unpack: (block: Buffer) => unpackLz4(Buffer.concat([LZ4_HEAD, sized(block), Buffer.alloc(4)])) },
  { name: 'Snappy', unpack: unpackSnappy },
]

function sized(block: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32LE(block.length)
  return Buffer.concat([head, block])
}

test('a match may reach over the end of what is there', () => {
  expect(UNPACKERS[0]?.unpack(LZ4_BLOCK).toString()).toBe(TEXT)
  expect(UNPACKERS[1]?.unpack(SNAPPY_BLOCK).toString()).toBe(TEXT)
})

test('what begins before the start, ends too early or is something else is an error', () => {
  expect(() => UNPACKERS[0]?.unpack(Buffer.from([0x15, 97, 9, 0, 0x10, 97]))).toThrow('before its start')
  expect(() => UNPACKERS[1]?.unpack(Buffer.from([9, 0x00, 97, 0x15, 7]))).toThrow('before its start')
  expect(() => unpackLz4(Buffer.from('no frame at all'))).toThrow('no LZ4 frame')
  expect(() => unpackLz4(Buffer.concat([LZ4_HEAD, sized(LZ4_BLOCK).subarray(0, 9)]))).toThrow('too early')
})

test.each(UNPACKERS)('$name: any bytes give bytes or an error, and soon', ({ unpack }) => {
  let answered = 0
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        unpack(Buffer.from(bytes))
        answered++
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }),
    { numRuns: 2_000 },
  )
  expect(answered).toBeGreaterThan(0)
})
