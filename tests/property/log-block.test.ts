import fc from 'fast-check'
import { expect, test } from 'vitest'
import { blockSize, decodeBlock, encodeBlock } from '../../streams/event-log/embedded/block.ts'
import type { LogRecord } from '../../streams/event-log/port.ts'

const bytes = fc.uint8Array({ maxLength: 300 })
const entry = fc.record({
  key: fc.option(fc.string({ unit: 'binary' })),
  value: fc.option(bytes),
  headers: fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.string()), { maxLength: 4 }),
})

test('whatever part of a block is read, its records are those that were written', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 1, maxLength: 20 }),
      fc.nat(25),
      fc.nat(25),
      (entries, skip, recordsMax) => {
        const written = entries.map(({ key, value, headers }) => ({
          key: key === null ? null : Buffer.from(key),
          value,
          headers: headers.flat().map((text) => Buffer.from(text)),
        }))
        const block = encodeBlock(written, 1_700_000_000_123)
        expect(blockSize(block)).toEqual({ records: entries.length, appendedAt: 1_700_000_000_123 })
        const records: LogRecord[] = []
        const base = { topic: 't', partition: 3, offset: 1_000 }
        decodeBlock(block, base, { fromOffset: 1_000 + skip, recordsMax }, records)
        expect(records).toHaveLength(Math.max(0, Math.min(entries.length - skip, recordsMax)))
        for (const [index, record] of records.entries()) {
          const source = written[skip + index] as (typeof written)[number]
          expect(record.offset).toBe(1_000 + skip + index)
          expect(record.key).toBe(source.key === null ? null : source.key.toString())
          expect(record.value === null ? null : [...record.value]).toEqual(
            source.value === null ? null : [...source.value],
          )
          const texts = source.headers.map((text) => text.toString())
          const pairs = texts.flatMap((name, at) => (at % 2 === 0 ? [[name, texts[at + 1]] as const] : []))
          expect(record.headers).toEqual(Object.fromEntries(pairs.filter(([name]) => name !== '__proto__')))
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('a damaged block is CORRUPT_FILE', () => {
  const block = encodeBlock([{ key: null, value: new Uint8Array(100), headers: [] }], 1)
  const decode = (damaged: Buffer) =>
    decodeBlock(damaged, { topic: 't', partition: 0, offset: 0 }, { fromOffset: 0, recordsMax: 9 }, [])
  const otherVersion = Buffer.from(block)
  otherVersion[0] = 9
  const moreRecords = Buffer.from(block)
  moreRecords.writeUInt32BE(2, 1)
  for (const damaged of [otherVersion, moreRecords]) {
    expect(() => decode(damaged)).toThrow(expect.objectContaining({ code: 'CORRUPT_FILE' }))
  }
})
