// What real encoders pack is read in tests/services/kafka-topics.test.ts; here is what no encoder would write.
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { addCodecs } from '../../streams/event-log/kafka/codecs.ts'
import { unpackLz4 } from '../../streams/event-log/kafka/lz4.ts'
import { unpackSnappy } from '../../streams/event-log/kafka/snappy.ts'
import { UNPACKED_BYTES_MAX } from '../../streams/event-log/kafka/unpacking.ts'

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

test('a small batch that unpacks to a huge one is an error before it fills memory', async () => {
  addCodecs()
  const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs
  const huge = Buffer.alloc(UNPACKED_BYTES_MAX + 1)
  /** One byte, then matches of 64 KiB that repeat it. */
  const lz4Match = Buffer.concat([Buffer.from([0x0f, 1, 0]), Buffer.alloc(256, 255), Buffer.from([0])])
  const lz4Block = Buffer.concat([Buffer.from([0x10, 0, 1, 0]), ...new Array(2_100).fill(lz4Match)])
  const bombs = [
    [types.GZIP, gzipSync(huge, { level: 1 })],
    [types.ZSTD, zstdCompressSync(huge)],
    [types.LZ4, Buffer.concat([LZ4_HEAD, sized(lz4Block), Buffer.alloc(4)])],
  ] as const
  for (const [type, bomb] of bombs) {
    expect(bomb.length).toBeLessThan(1_048_576)
    await expect(codecs[type]?.().decompress(bomb)).rejects.toThrow('a packed batch holds more than 134217728 bytes')
  }
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
