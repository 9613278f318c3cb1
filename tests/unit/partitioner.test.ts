import { expect, test } from 'vitest'
import { murmur2, partitionOf } from '../../streams/event-log/partitioner.ts'

test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('the hash of %s is the one in Kafka’s own tests', (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash)
})

test('a partition is the positive hash modulo the partitions, of UTF-8 bytes, in any view of memory', () => {
  expect(partitionOf(Buffer.from('21'), 8)).toBe((-973932308 & 0x7fffffff) % 8)
  const large = new Uint8Array(Buffer.from('__foobar__'))
  expect(murmur2(large.subarray(2, 8))).toBe(-790332482)
  const seen = new Set(Array.from({ length: 1_000 }, (_, index) => partitionOf(Buffer.from(`ключ-${index}`), 8)))
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
})
