import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRowReader } from '../../stores/event-store/clickhouse/column-rows.ts'
import { createIdDictionary } from '../../stores/event-store/clickhouse/id-dictionary.ts'
import { createRowStaging } from '../../stores/event-store/clickhouse/row-staging.ts'
import { orderByTime } from '../../stores/event-store/clickhouse/time-order.ts'

const signal = new AbortController().signal
const MARK = 0x4d6c5231

interface Row {
  readonly user: string
  readonly item: string
  readonly type: string
  readonly timestamp: number
  readonly value: number
}

const id = fc.stringMatching(/^[\x21-\x7e]{1,140}$/)
const row = fc.record({ user: id, item: id, type: id, timestamp: fc.nat(), value: fc.double() })

test('rows are read the same in whatever pieces the answer comes', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.array(row, { maxLength: 30 }), cuts, (rows, lengths) => {
      const bytes = Buffer.concat(rows.map(encoded))
      const pieces: Buffer[] = []
      for (let start = 0, turn = 0; start < bytes.length; turn++) {
        const length = lengths[turn % lengths.length] as number
        pieces.push(bytes.subarray(start, start + length))
        start += length
      }
      expect(read(pieces)).toEqual(rows)
    }),
  )
})

test("a server's error within the answer is thrown in its words, and an answer that ends within a row too", () => {
  const whole = Buffer.concat([1, 2, 3].map((value) => encoded(sample(value))))
  const error = Buffer.from('Code: 241. DB::Exception: Memory limit exceeded')
  expect(() => read([Buffer.concat([whole, error])])).toThrow(/broke off: Code: 241.*Memory limit/)
  for (let cut = 1; cut < whole.length; cut++) {
    if (cut % (whole.length / 3) === 0) continue
    expect(() => read([whole.subarray(0, cut)])).toThrow('broke off')
    expect(() => read([Buffer.concat([whole.subarray(0, cut), error])])).toThrow('broke off')
  }
})

test('a dictionary numbers ids by first appearance, as a map does, also when it grows', () => {
  const dictionary = createIdDictionary()
  const numbers = new Map<string, number>()
  const bytes = Buffer.from(Array.from({ length: 30_000 }, (_, index) => `${(index * 7_919) % 20_000}`).join(' '))
  let seen = 0
  for (let start = 0; start < bytes.length; seen++) {
    const space = bytes.indexOf(' ', start)
    const end = space < 0 ? bytes.length : space
    const text = bytes.toString('utf8', start, end)
    if (!numbers.has(text)) numbers.set(text, numbers.size)
    expect(dictionary.indexOf(bytes, start, end)).toBe(numbers.get(text))
    start = end + 1
  }
  expect(seen).toBe(30_000)
  expect(dictionary.ids).toEqual([...numbers.keys()])
})

test('order by time is the stable sort, for any span of time', async () => {
  const span = fc.constantFrom(0, 3, 65_536, 2 ** 31, 2 ** 41, 2 ** 53 - 1)
  const times = span.chain((max) => fc.array(fc.integer({ min: 0, max }), { maxLength: 200 }))
  await fc.assert(
    fc.asyncProperty(times, async (given) => {
      const wanted = Array.from(given, (_, index) => index).sort(
        (left, right) => (given[left] as number) - (given[right] as number),
      )
      expect([...(await orderByTime(Float64Array.from(given), signal))]).toEqual(wanted)
    }),
  )
})

test('ordering many rows leaves the event loop free and stops when told', async () => {
  const timestamps = Float64Array.from({ length: 1_000_000 }, (_, index) => (index * 7_919_111) % 315_360_000_000)
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  const order = await orderByTime(timestamps, signal)
  clearInterval(counting)
  expect(turns).toBeGreaterThan(5)
  for (let place = 1; place < order.length; place++) {
    const [before, after] = [order[place - 1] as number, order[place] as number]
    if ((timestamps[before] as number) > (timestamps[after] as number)) throw new Error(`not in order at ${place}`)
  }
  await expect(orderByTime(timestamps, AbortSignal.abort())).rejects.toThrow('abort')
})

function sample(value: number): Row {
  return { user: `u${value}`, item: 'i'.repeat(130), type: 'view', timestamp: 1_700_000_000_000 + value, value }
}

function encoded({ user, item, type, timestamp, value }: Row): Buffer {
  const text = (id: string) => {
    const length = id.length < 128 ? [id.length] : [(id.length & 0x7f) | 0x80, id.length >> 7]
    return Buffer.concat([Buffer.from(length), Buffer.from(id)])
  }
  const [mark, numbers] = [Buffer.alloc(4), Buffer.alloc(16)]
  mark.writeUInt32LE(MARK)
  numbers.writeDoubleLE(timestamp, 0)
  numbers.writeDoubleLE(value, 8)
  return Buffer.concat([mark, text(user), text(item), text(type), numbers])
}

/** The rows that a reader has staged. Only neighbours of one user share a number, so users are compared by name. */
function read(pieces: readonly Buffer[]): Row[] {
  const staging = createRowStaging()
  const reader = createRowReader(staging)
  for (const piece of pieces) reader.take(piece)
  reader.end()
  return Array.from({ length: staging.length }, (_, index) => {
    const block = staging.blockOf(index)
    const within = index - block.start
    return {
      user: reader.users[block.userIndex[within] as number] as string,
      item: reader.items[block.itemIndex[within] as number] as string,
      type: reader.types[block.typeIndex[within] as number] as string,
      timestamp: block.timestamp[within] as number,
      value: block.value[within] as number,
    }
  })
}
