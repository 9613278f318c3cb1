import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventIdHash } from '../../engine/history/event-id-hash.ts'
import { type HistoryRules, historyRecipe, historyStrengths, mergeEvents } from '../../engine/history/history.ts'
import type { StoredEvent } from '../../schemas/interaction.ts'
import { EMPTY_USER, type UserRecord } from '../../schemas/user-record.ts'

const HOUR_MS = 3_600_000
const TYPES = { view: 1, purchase: 8, dislike: -5 }
const rules: HistoryRules = {
  eventWeights: { weights: TYPES, valueScaledTypes: new Set(['purchase']) },
  halfLifeMs: 24 * HOUR_MS,
  historyMax: 50,
  eventIdsMax: 64,
}

type Draft = Pick<StoredEvent, 'itemId' | 'type' | 'timestamp' | 'value'>

const drafts: fc.Arbitrary<Draft[]> = fc.array(
  fc.record({
    itemId: fc.integer({ min: 0, max: 7 }).map((item) => `i${item}`),
    type: fc.constantFrom(...Object.keys(TYPES)),
    timestamp: fc.integer({ min: 0, max: 2_000 }).map((hour) => Date.UTC(2024, 0, 1) + hour * HOUR_MS),
    value: fc.option(fc.integer({ min: 1, max: 9 })),
  }),
  { minLength: 1, maxLength: 60 },
)

function delivered(events: readonly Draft[], ids = events.map((_, index) => `e${index}`)): StoredEvent[] {
  return events.map((event, offset) => ({
    ...event,
    ...{ operation: 'assert' as const, userId: 'u', requestId: null, context: null, eventId: ids[offset] ?? '' },
    ...{ topic: 'interactions', partition: 0, offset, appendedAt: 0 },
  }))
}

/** Applied in pieces of the given length, as batches come. */
function merged(events: readonly StoredEvent[], piece = events.length, under = rules): UserRecord {
  let record = EMPTY_USER
  for (let start = 0; start < events.length; start += piece) {
    record = mergeEvents(record, events.slice(start, start + piece), under)
  }
  return record
}

/** The definition, straight: sum of weight * 2^-(age / half-life) from the user's newest event; and of its absolutes. */
function strengthsByDefinition(events: readonly Draft[]): Map<string, { strength: number; absolute: number }> {
  const newest = Math.max(...events.map((event) => event.timestamp))
  const sums = new Map<string, { strength: number; absolute: number }>()
  for (const { itemId, type, timestamp, value } of events) {
    const weight = TYPES[type as keyof typeof TYPES] * (type === 'purchase' ? (value ?? 1) : 1)
    const part = weight * 2 ** ((timestamp - newest) / rules.halfLifeMs)
    const sum = sums.get(itemId) ?? { strength: 0, absolute: 0 }
    sums.set(itemId, { strength: sum.strength + part, absolute: sum.absolute + Math.abs(part) })
  }
  return sums
}

test('events in any order and any batches give the strengths of the definition within 1e-9', () => {
  const shuffled = drafts.chain((events) =>
    fc.tuple(
      fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length }),
      fc.integer({ min: 1, max: 60 }),
    ),
  )
  fc.assert(
    fc.property(shuffled, ([events, piece]) => {
      const record = merged(delivered(events), piece)
      const expected = strengthsByDefinition(events)
      const found = historyStrengths(record, rules.halfLifeMs)
      expect(found.map(({ itemId }) => itemId).sort()).toEqual([...expected.keys()].sort())
      for (const { itemId, strength } of found) {
        const { strength: wanted = 0, absolute = 0 } = expected.get(itemId) ?? {}
        expect(Math.abs(strength - wanted)).toBeLessThanOrEqual(1e-9 * absolute)
      }
      expect(record.events).toBe(events.length)
      expect(record.lastEventAt).toBe(Math.max(...events.map((event) => event.timestamp)))
      expect(record.history.at(-1)?.newestAt).toBe(record.lastEventAt)
    }),
  )
})

test('re-delivered records and repeats of remembered ids change nothing but the applied offset', () => {
  fc.assert(
    fc.property(drafts, fc.nat(), (events, cut) => {
      const first = delivered(events)
      const record = merged(first)
      expect(mergeEvents(record, first.slice(cut % events.length), rules)).toBe(record)
      const repeated = first.map((event) => ({ ...event, offset: event.offset + 1_000 }))
      const after = mergeEvents({ ...record, factors: null }, repeated, rules)
      const { revision, appliedOffsets } = after
      expect({ ...after, revision: record.revision, appliedOffsets: record.appliedOffsets }).toEqual(record)
      expect([revision, appliedOffsets[0]]).toEqual([record.revision + 1, 999 + events.length])
    }),
  )
})

test('an id sent twice within one batch counts once', () => {
  fc.assert(
    fc.property(drafts, (events) => {
      const ids = events.map((_, index) => `e${index}`)
      const twice = merged(delivered([...events, ...events], [...ids, ...ids]))
      const once = merged(delivered(events, ids))
      expect({ ...twice, appliedOffsets: {} }).toEqual({ ...once, appliedOffsets: {} })
    }),
  )
})

test('beyond the remembered window a repeat counts again, within it never', () => {
  const narrow = { ...rules, eventIdsMax: 3 }
  const event = { itemId: 'i', type: 'view', timestamp: Date.UTC(2024, 0, 1), value: null }
  const count = (ids: string[]) => merged(delivered(ids.map(() => event), ids), 1, narrow).events // biome-ignore format: one line
  expect(count(['a', 'b', 'c', 'a'])).toBe(3)
  expect(count(['a', 'b', 'c', 'd', 'a'])).toBe(5)
  expect(merged(delivered(Array.from({ length: 40 }, () => event)), 40, narrow).eventIdHashes).toHaveLength(3)
})

test('a history keeps at most its maximum: the items with the oldest newest-event go, ties by item id', () => {
  fc.assert(
    fc.property(drafts, fc.integer({ min: 1, max: 8 }), (events, historyMax) => {
      const record = merged(delivered(events), events.length, { ...rules, historyMax })
      const newest = new Map<string, number>()
      for (const { itemId, timestamp } of events)
        newest.set(itemId, Math.max(timestamp, newest.get(itemId) ?? timestamp))
      const kept = [...newest].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1)).slice(-historyMax)
      expect(record.history.map(({ itemId }) => itemId).sort()).toEqual(kept.map(([itemId]) => itemId).sort())
      expect(record.events).toBe(events.length)
    }),
  )
})

test('a record is never changed by merging into it', () => {
  fc.assert(
    fc.property(drafts, drafts, (before, after) => {
      const record = merged(delivered(before))
      const copy = structuredClone(record)
      mergeEvents(record, delivered([...before, ...after]), rules)
      expect(record).toEqual(copy)
    }),
  )
})

test('values that would overflow leave finite strengths', () => {
  const event = { itemId: 'i', type: 'purchase', timestamp: Date.UTC(2024, 0, 1), value: Number.MAX_VALUE }
  const record = merged(delivered([event, event, { ...event, value: -Number.MAX_VALUE }]))
  expect(Number.isFinite(record.history[0]?.strength)).toBe(true)
})

test('a hundred thousand similar ids have different hashes of 48 bits', () => {
  const hashes = Array.from({ length: 100_000 }, (_, index) => eventIdHash(`order-2024:${index}`))
  expect(new Set(hashes).size).toBe(100_000)
  expect(hashes.every((hash) => Number.isInteger(hash) && hash >= 0 && hash < 2 ** 48)).toBe(true)
  const highBits = hashes.filter((hash) => hash >= 2 ** 47).length
  expect(Math.abs(highBits / 100_000 - 0.5)).toBeLessThan(0.01)
})

test('a recipe changes with every rule and not with the order in which weights are written', () => {
  const reordered = { ...rules.eventWeights, weights: { dislike: -5, purchase: 8, view: 1 } }
  expect(historyRecipe({ ...rules, eventWeights: reordered })).toBe(historyRecipe(rules))
  const others = [{ halfLifeMs: 1 }, { historyMax: 1 }, { eventIdsMax: 1 }].map((rule) => ({ ...rules, ...rule }))
  expect(new Set([rules, ...others].map(historyRecipe)).size).toBe(4)
})

test('factors go with the history they were solved from: new events take them away, repeats leave them', () => {
  const view: Draft = { itemId: 'i', type: 'view', timestamp: Date.UTC(2024, 0, 1), value: null }
  const [first, repeat, other] = delivered([view, view, view], ['a', 'a', 'b']) as [
    StoredEvent,
    StoredEvent,
    StoredEvent,
  ]
  const factors = { modelVersion: '1', vector: Float32Array.of(1, 2) }
  const known = { ...mergeEvents(EMPTY_USER, [first], rules), factors }
  expect(mergeEvents(known, [repeat], rules).factors).toBe(factors)
  expect(mergeEvents(known, [repeat, other], rules).factors).toBeNull()
})
