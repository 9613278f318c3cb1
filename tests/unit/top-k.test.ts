import { expect, test } from 'vitest'
import { normOrder } from '../../engine/top-k/norm-order.ts'
import { createTopKIndex } from '../../engine/top-k/top-k-index.ts'

const width = 8

/** One row per value, on the first axis. */
function onAxis(values: readonly number[]): Float32Array {
  const rows = new Float32Array(values.length * width)
  for (const [item, value] of values.entries()) rows[item * width] = value
  return rows
}

const along = onAxis([1])

test('the best come first and equal scores go by item', () => {
  const index = createTopKIndex(onAxis([2, 5, 2, -1, 5, 2]), width)
  const { items, scores } = index.top({ vector: along, k: 5 })
  expect(Array.from(items)).toEqual([1, 4, 0, 2, 5])
  expect(Array.from(scores)).toEqual([5, 5, 2, 2, 2])
})

test.each([1, 63, 64, 65, 1_000])('of %i equal items the first k are found in order', (items) => {
  const index = createTopKIndex(onAxis(new Array(items).fill(3)), width)
  for (const k of [1, 7, 1_000]) {
    const count = Math.min(k, items)
    expect(Array.from(index.top({ vector: along, k }).items)).toEqual(Array.from({ length: count }, (_, i) => i))
  }
})

test('exactly min(k, eligible) items come back', () => {
  const index = createTopKIndex(onAxis(Array.from({ length: 300 }, (_, i) => i)), width)
  const exclude = Int32Array.from({ length: 290 }, (_, i) => i)
  expect(index.top({ vector: along, k: 4, exclude }).items.length).toBe(4)
  expect(index.top({ vector: along, k: 20, exclude }).items.length).toBe(10)
  const allow = new Uint8Array(300)
  allow.set([1, 1, 1], 288)
  expect(Array.from(index.top({ vector: along, k: 20, exclude, allow }).items)).toEqual([290])
  expect(index.top({ vector: along, k: 20, allow: new Uint8Array(300) }).items.length).toBe(0)
})

test('a query leaves no trace in the next one', () => {
  const index = createTopKIndex(onAxis([3, 2, 1]), width)
  index.top({ vector: along, k: 3, exclude: Int32Array.of(0, 0, 1), allow: Uint8Array.of(1, 1, 0) })
  expect(Array.from(index.top({ vector: along, k: 3 }).items)).toEqual([0, 1, 2])
})

test('an index without items answers with nothing', () => {
  const index = createTopKIndex(new Float32Array(0), width)
  expect(index.top({ vector: along, k: 10 }).items.length).toBe(0)
  expect(index.scores(along, new Int32Array(0)).length).toBe(0)
})

test('items of great norm in the wrong direction do not hide small ones in the right direction', () => {
  const values = Array.from({ length: 10_000 }, (_, i) => (i % 1_000 === 999 ? 1e-3 * (i + 1) : -1e6))
  const index = createTopKIndex(onAxis(values), width)
  const expected = Array.from({ length: 10 }, (_, i) => 9_999 - 1_000 * i)
  expect(Array.from(index.top({ vector: along, k: 10 }).items)).toEqual(expected)
})

test('scores of the largest allowed magnitudes are finite', () => {
  const rows = new Float32Array(2 * 512).fill(1e17)
  rows.fill(-1e17, 512)
  const { items, scores } = createTopKIndex(rows, 512).top({ vector: rows.subarray(0, 512), k: 2 })
  expect(Array.from(items)).toEqual([0, 1])
  expect(Array.from(scores).every(Number.isFinite)).toBe(true)
})

test('the order is by falling norm to a fifth of a percent and stable', () => {
  const rows = onAxis([1, -3, 0, 2, 3, 0, 1e-30, 1e17])
  expect(Array.from(normOrder(rows, width))).toEqual([7, 1, 4, 3, 0, 6, 2, 5])
})

test('few allowed items among many are found wherever they are, whatever their byte, less what is excluded', () => {
  const items = 9_000
  const index = createTopKIndex(onAxis(Array.from({ length: items }, (_, item) => items - item)), width)
  // A mask that begins and ends off every word, with bytes of one bit each.
  const allow = new Uint8Array(items + 3).subarray(3)
  const chosen = [0, 1, 4_321, 8_191, 8_192, 8_998, 8_999]
  for (const [at, item] of chosen.entries()) allow[item] = 1 << (at + 1)
  const vector = new Float32Array(width).fill(1)
  const found = (k: number, exclude: readonly number[] = []) =>
    Array.from(index.top({ vector, k, allow, exclude: Int32Array.from(exclude) }).items)
  expect(found(1_000)).toEqual(chosen)
  expect(found(3)).toEqual([0, 1, 4_321])
  expect(found(3, [0, 4_321, 8_999, 5])).toEqual([1, 8_191, 8_192])
  // More than fit one batch.
  const block = new Uint8Array(100_000)
  block.fill(1, 50_000, 53_000)
  const ties = createTopKIndex(onAxis(new Array(100_000).fill(2)), width)
  const first = ties.top({ vector, k: 1_000, allow: block, exclude: Int32Array.of(50_000) })
  expect(Array.from(first.items)).toEqual(Array.from({ length: 1_000 }, (_, at) => 50_001 + at))
})
