import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMillraceError } from '../../schemas/errors.ts'
import { EMPTY_USER, type UserRecord } from '../../schemas/user-record.ts'
import { ByteWriter } from '../../stores/user-state/byte-writer.ts'
import { decodeRecord, encodeRecord } from '../../stores/user-state/redis/encoding.ts'

const LAST_EVENT_AT = 1_767_225_600_123
const letters = (characters: string) =>
  fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: 128 })
const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join('')
const itemIds = fc.oneof(
  ...['0123456789', '0123456789abcdef', 'abcxyz019', 'ABCXYZ019', 'aZ09-_', printable].map((characters) =>
    fc.tuple(fc.constantFrom('', 'item-', 'SKU'), fc.uniqueArray(letters(characters), { maxLength: 40 })),
  ),
)
const strength = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.integer(),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const hash = fc.maxSafeNat().map((value) => value % 2 ** 48)
const history = itemIds.chain(([prefix, ids]) =>
  fc.tuple(
    ...ids.map((id) =>
      fc.record({
        itemId: fc.constant((prefix + id).slice(0, 128)),
        strength,
        newestAt: fc.oneof(fc.constant(LAST_EVENT_AT), fc.nat(LAST_EVENT_AT), fc.nat(100_000_000).map(ago)),
        events: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.nat()),
      }),
    ),
  ),
)
const users: fc.Arbitrary<UserRecord> = fc.record({
  revision: fc.maxSafeNat(),
  events: fc.maxSafeNat(),
  lastEventAt: fc.constant(LAST_EVENT_AT),
  lastFreshnessMs: fc.option(fc.oneof(fc.nat(1_000), fc.double({ min: 0, max: 1e9, noNaN: true }))),
  history,
  appliedOffsets: fc.dictionary(fc.nat(1_023).map(String), fc.maxSafeNat()),
  eventIdHashes: fc.array(hash, { maxLength: 64 }),
  factors: fc.constant(null),
})

function ago(ms: number): number {
  return LAST_EVENT_AT - ms
}

const byTimeAndId = (left: { newestAt: number; itemId: string }, right: { newestAt: number; itemId: string }) =>
  left.newestAt - right.newestAt || (left.itemId < right.itemId ? -1 : 1)

test('a record comes back from its bytes bit for bit, its history with the newest event last', () => {
  const writer = new ByteWriter()
  fc.assert(
    fc.property(users, (user) => {
      const expected = { ...user, history: user.history.toSorted(byTimeAndId) }
      expect(decodeRecord(encodeRecord(user, writer))).toEqual(expected)
    }),
  )
})

test('damaged bytes are told as such, never read as a user nor left to another error', () => {
  const writer = new ByteWriter()
  fc.assert(
    fc.property(users, fc.nat(), fc.nat(255), (user, at, value) => {
      const bytes = encodeRecord(user, writer)
      const cut = bytes.subarray(0, at % bytes.length)
      expect(() => decodeRecord(cut)).toThrow(expect.objectContaining({ code: 'CORRUPT_FILE' }))
      bytes[at % bytes.length] = value
      try {
        decodeRecord(bytes)
      } catch (error) {
        expect(isMillraceError(error, 'CORRUPT_FILE') || isMillraceError(error, 'UNKNOWN_FORMAT')).toBe(true)
      }
    }),
  )
})

test('factors are left out, and ids that begin alike share their beginning', () => {
  const writer = new ByteWriter()
  const entry = (itemId: string) => ({ itemId, strength: 1, newestAt: LAST_EVENT_AT, events: 1 })
  const ids = Array.from({ length: 30 }, (_, index) => `product/${String(index).padStart(4, '0')}`)
  const user = { ...EMPTY_USER, revision: 1, lastEventAt: LAST_EVENT_AT, history: ids.map(entry) }
  const factors = { modelVersion: '1', vector: new Float32Array(64) }
  expect(encodeRecord(user, writer).length).toBeLessThan(30 * 4 + 40)
  expect(decodeRecord(encodeRecord({ ...user, factors }, writer)).factors).toBeNull()
})
