import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StoredEvent } from '../../schemas/interaction.ts'
import type { EventStore } from '../../stores/event-store/port.ts'

/** One case's own store; `open` may be called again after the store was disposed. */
export interface EventStorePlace extends AsyncDisposable {
  open(): Promise<EventStore>
}

export interface EventStoreTraits {
  readonly name: string
  /** A disposed store, opened again, still holds its events. */
  readonly durable: boolean
}

const signal = new AbortController().signal
const DAY_MS = 86_400_000
const START = 1_700_000_000_123

function event(fields: Partial<StoredEvent> & Pick<StoredEvent, 'userId' | 'eventId'>): StoredEvent {
  return {
    ...{
      operation: 'assert' as const,
      itemId: 'i1',
      type: 'view',
      timestamp: START,
      value: null,
      requestId: null,
      context: null,
    },
    ...{ topic: 'interactions', partition: 0, offset: 0, appendedAt: START + 7 },
    ...fields,
  }
}

const series = (length: number, of: (index: number) => Partial<StoredEvent> = () => ({})) =>
  Array.from({ length }, (_, index) =>
    event({ userId: `u${index % 7}`, eventId: `e${index}`, offset: index, timestamp: START + index, ...of(index) }),
  )

/** Every promise of stores/event-store/port.ts. */
export function testEventStore(makePlace: () => Promise<EventStorePlace>, traits: EventStoreTraits): void {
  describe(`${traits.name} stores events`, () => {
    test('an event is read back exactly as it was written, to the millisecond', async () => {
      await using place = await makePlace()
      await using store = await place.open()
      const full = event({
        ...{ userId: 'u/1 "\''.replace(' ', ''), eventId: '~!%', itemId: 'x'.repeat(128), type: 'purchase' },
        ...{ timestamp: 946_684_800_001, value: 0.1 + 0.2, requestId: 'r-1', appendedAt: 1_799_999_999_999 },
        ...{
          context: { page: 'späť 🎬', 'a"b': '' },
          topic: 'interactions.dlt',
          partition: 1_023,
          offset: 2 ** 52 + 1,
        },
      })
      const bare = event({ userId: full.userId, eventId: 'bare', timestamp: 946_684_800_000 })
      await store.insert([full, bare], { signal })
      expect(await store.userEvents(full.userId, { limit: 10, signal })).toEqual([full, bare])
    })

    test('of an identity only the first delivery counts, across batches and within one', async () => {
      await using place = await makePlace()
      await using store = await place.open()
      const first = event({ userId: 'u', eventId: 'e', itemId: 'first' })
      const inBatch = event({ userId: 'u', eventId: 'f', itemId: 'first', timestamp: START + 1 })
      await store.insert([first, { ...first, itemId: 'second', offset: 1 }], { signal })
      await store.insert([{ ...first, itemId: 'third', offset: 2 }, inBatch, { ...inBatch, itemId: 'late' }], {
        signal,
      })
      await store.insert([first, inBatch], { signal })
      expect(await store.userEvents('u', { limit: 10, signal })).toEqual([inBatch, first])
      expect(await store.count({ signal })).toBe(2)
    })

    test('an identity is the pair of user and event id, not the text of both', async () => {
      await using place = await makePlace()
      await using store = await place.open()
      const pairs = [['ab', 'c'], ['a', 'bc'], ['a', 'b'], ['b', 'a'], ['A', 'b'], ['a', 'B']] as const // biome-ignore format: one line
      await store.insert(
        pairs.map(([userId, eventId]) => event({ userId, eventId })),
        { signal },
      )
      expect(await store.count({ signal })).toBe(pairs.length)
    })

    test('any sequence of overlapping batches leaves what a map of first deliveries holds', async () => {
      const batches = fc.array(
        fc.array(fc.record({ user: fc.nat(3), id: fc.nat(12), item: fc.nat(5) }), { maxLength: 30 }),
        { maxLength: 8 },
      )
      await fc.assert(
        fc.asyncProperty(batches, async (given) => {
          await using place = await makePlace()
          await using store = await place.open()
          const oracle = new Map<string, StoredEvent>()
          let offset = 0
          for (const batch of given) {
            const events = batch.map(({ user, id, item }) =>
              event({
                userId: `u${user}`,
                eventId: `e${id}`,
                itemId: `i${item}`,
                partition: user % 2,
                offset: offset++,
              }),
            )
            for (const one of events) {
              const key = `${one.userId} ${one.eventId}`
              if (!oracle.has(key)) oracle.set(key, one)
            }
            await store.insert(events, { signal })
          }
          expect(await store.count({ signal })).toBe(oracle.size)
          const positions = await store.positions({ signal })
          expect(Object.fromEntries(positions)).toEqual(positionsOf([...oracle.values()]))
          const scanned = await collect(store, positions)
          expect(new Map(scanned.map((one) => [`${one.userId} ${one.eventId}`, one]))).toEqual(oracle)
        }),
        { numRuns: 12 },
      )
    }, 120_000)

    test("a user's events come newest first, then by event id, and no more than asked for", async () => {
      await using place = await makePlace()
      await using store = await place.open()
      const at = (eventId: string, timestamp: number) => event({ userId: 'u', eventId, timestamp })
      await store.insert([at('b', 5), at('c', 9), at('a', 5), at('d', 1), event({ userId: 'v', eventId: 'x' })], {
        signal,
      })
      const ids = async (limit: number) =>
        (await store.userEvents('u', { limit, signal })).map(({ eventId }) => eventId).join('')
      expect([await ids(10), await ids(3), await ids(0)]).toEqual(['cabd', 'cab', ''])
      expect(await store.userEvents('nobody', { limit: 10, signal })).toEqual([])
    })

    test('a new store is empty in every respect', async () => {
      await using place = await makePlace()
      await using store = await place.open()
      await store.insert([], { signal })
      expect(await store.count({ signal })).toBe(0)
      expect((await store.positions({ signal })).size).toBe(0)
      expect(await collect(store, new Map([['interactions/0', 9]]))).toEqual([])
      expect(
        await store.popular({ weights: { view: 1 }, halfLifeMs: 1, windowMs: null, limit: 5 }, { signal }),
      ).toEqual([])
      expect((await store.columns({ signal })).length).toBe(0)
    })

    test('readers see all of a batch or nothing of it, while batches are written side by side', async () => {
      await using place = await makePlace()
      await using store = await place.open()
      const batches = Array.from({ length: 8 }, (_, batch) =>
        series(500, (index) => ({ eventId: `b${batch}-${index}`, partition: batch })),
      )
      const writes = Promise.all(batches.map((batch) => store.insert(batch, { signal })))
      let writing = true
      const seen: number[] = []
      const reader = (async () => {
        while (writing) seen.push(await store.count({ signal }), (await store.columns({ signal })).length)
      })()
      await writes
      writing = false
      await reader
      expect(seen.length).toBeGreaterThan(0)
      expect(seen.filter((count) => count % 500 !== 0)).toEqual([])
      expect(await store.count({ signal })).toBe(4_000)
    })

    test('an aborted call answers ABORTED and leaves no part of a batch behind', async () => {
      await using place = await makePlace()
      await using store = await place.open()
      const before = AbortSignal.abort()
      await expect(store.insert(series(3), { signal: before })).rejects.toMatchObject({ code: 'ABORTED' })
      await expect(store.columns({ signal: before })).rejects.toMatchObject({ code: 'ABORTED' })
      expect(await store.count({ signal })).toBe(0)
      const during = new AbortController()
      const outcome = store.insert(series(20_000), { signal: during.signal }).catch((error: unknown) => error)
      setImmediate(() => during.abort())
      const error = await outcome
      expect(await store.count({ signal })).toBe(error === undefined ? 20_000 : 0)
      await store.insert(series(20_000), { signal })
      expect(await store.count({ signal })).toBe(20_000)
    })

    test(`a reopened store ${traits.durable ? 'keeps' : 'forgets'} its events and positions`, async () => {
      await using place = await makePlace()
      {
        await using store = await place.open()
        await store.insert(series(3_000), { signal })
      }
      await using again = await place.open()
      expect(await again.count({ signal })).toBe(traits.durable ? 3_000 : 0)
      await again.insert(series(3_001), { signal })
      expect(await again.count({ signal })).toBe(3_001)
      expect(Object.fromEntries(await again.positions({ signal }))).toEqual({ 'interactions/0': 3_001 })
    })

    test('dispose is idempotent, and a disposed store refuses', async () => {
      await using place = await makePlace()
      const store = await place.open()
      await store[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      await expect(store.count({ signal })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await expect(store.insert(series(1), { signal })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    })
  })
  testScan(makePlace, traits)
  testColumns(makePlace, traits)
  testBoundedColumns(makePlace, traits)
  testPopular(makePlace, traits)
}

function testScan(makePlace: () => Promise<EventStorePlace>, traits: EventStoreTraits): void {
  describe(`${traits.name} is scanned by user`, () => {
    const spread = series(5_000, (index) => ({ partition: index % 3, topic: index % 11 ? 'interactions' : 'imports' }))

    test("a user's events are together, in append order of each partition, in batches no larger than asked", async () => {
      await using place = await makePlace()
      await using store = await place.open()
      await store.insert(spread, { signal })
      const batches: number[] = []
      const scanned: StoredEvent[] = []
      const until = await store.positions({ signal })
      for await (const batch of store.scanByUser(until, { batchEventsMax: 300, signal })) {
        batches.push(batch.length)
        scanned.push(...batch)
      }
      expect(scanned).toHaveLength(spread.length)
      expect(Math.max(...batches)).toBe(300)
      const users = scanned.map(({ userId }) => userId)
      expect(users.filter((user, index) => user !== users[index - 1])).toEqual([...new Set(users)])
      const last = new Map<string, number>()
      for (const { userId, topic, partition, offset } of scanned) {
        const place = `${userId} ${topic}/${partition}`
        expect(offset).toBeGreaterThan(last.get(place) ?? -1)
        last.set(place, offset)
      }
    })

    test('only events below the position vector come, and none of a partition that it lacks', async () => {
      await using place = await makePlace()
      await using store = await place.open()
      await store.insert(spread, { signal })
      const until = new Map([
        ['interactions/0', 1_000],
        ['interactions/2', 51],
      ])
      const wanted = spread.filter((one) => one.offset < (until.get(`${one.topic}/${one.partition}`) ?? 0))
      const scanned = await collect(store, until)
      expect(wanted.length).toBeGreaterThan(0)
      expect(new Set(scanned.map(({ eventId }) => eventId))).toEqual(new Set(wanted.map(({ eventId }) => eventId)))
    })

    test('a scan given up half-way holds nothing back', async () => {
      await using place = await makePlace()
      await using store = await place.open()
      await store.insert(spread, { signal })
      const until = await store.positions({ signal })
      let begun = 0
      for (let round = 0; round < 10; round++) {
        for await (const batch of store.scanByUser(until, { batchEventsMax: 10, signal })) {
          begun += batch.length
          break
        }
      }
      expect(begun).toBe(100)
      await store.insert(
        series(1, () => ({ eventId: 'after' })),
        { signal },
      )
      expect(await store.count({ signal })).toBe(spread.length + 1)
    })
  })
}

function testColumns(makePlace: () => Promise<EventStorePlace>, traits: EventStoreTraits): void {
  test(`${traits.name} gives columns ordered by event time, user and event id, in shared memory`, async () => {
    await using place = await makePlace()
    await using store = await place.open()
    const events = series(5_000, (index) => ({
      ...{ timestamp: START + ((index * 7_919) % 50), value: index % 3 === 0 ? index / 7 : null },
      ...{ itemId: `i${index % 91}`, type: index % 5 === 0 ? 'purchase' : 'view' },
    }))
    await store.insert(events, { signal })
    const columns = await store.columns({ signal })
    const text = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0)
    const ordered = events.toSorted(
      (left, right) =>
        left.timestamp - right.timestamp || text(left.userId, right.userId) || text(left.eventId, right.eventId),
    )
    const read = Array.from({ length: columns.length }, (_, row) => ({
      userId: columns.users[columns.userIndex[row] ?? -1],
      itemId: columns.items[columns.itemIndex[row] ?? -1],
      type: columns.types[columns.typeIndex[row] ?? -1],
      timestamp: columns.timestamp[row],
      value: Number.isNaN(columns.value[row]) ? null : columns.value[row],
    }))
    expect(read).toEqual(
      ordered.map(({ userId, itemId, type, timestamp, value }) => ({ userId, itemId, type, timestamp, value })),
    )
    expect(new Set(columns.users).size).toBe(columns.users.length)
    for (const column of [columns.userIndex, columns.itemIndex, columns.typeIndex, columns.timestamp, columns.value])
      expect(column.buffer).toBeInstanceOf(SharedArrayBuffer)
  })
}

function testBoundedColumns(makePlace: () => Promise<EventStorePlace>, traits: EventStoreTraits): void {
  test(`${traits.name} gives the columns below a position vector, the same ones whatever came in since`, async () => {
    await using place = await makePlace()
    await using store = await place.open()
    const batch = (from: number, partition: number, count = 40) =>
      series(count, (index) => ({
        ...{ eventId: `p${partition}-${from + index}`, offset: from + index, partition },
        ...{ userId: `u${index % 7}`, itemId: `i${(from + index) % 11}` },
      }))
    await store.insert([...batch(0, 0), ...batch(0, 1)], { signal })
    const positions = await store.positions({ signal })
    const window = await store.columns({ until: positions, signal })
    expect(window).toEqual(await store.columns({ signal }))
    expect(window.length).toBe(80)
    const repeated = batch(0, 0).map((event) => ({ ...event, offset: event.offset + 90 }))
    await store.insert([...batch(40, 0), ...batch(40, 1), ...batch(0, 2), ...repeated], { signal })
    expect(await store.columns({ until: positions, signal })).toEqual(window)
    expect((await store.columns({ signal })).length).toBe(200)
    const [first] = positions.keys()
    expect((await store.columns({ until: new Map([[first ?? '', 25]]), signal })).length).toBe(25)
    expect((await store.columns({ until: new Map(), signal })).length).toBe(0)
  })
}

function testPopular(makePlace: () => Promise<EventStorePlace>, traits: EventStoreTraits): void {
  test(`${traits.name} ranks popular items by decayed weight back from the newest event`, async () => {
    await using place = await makePlace()
    await using store = await place.open()
    const at = (eventId: string, itemId: string, type: string, ageDays: number) =>
      event({ userId: 'u', eventId, itemId, type, timestamp: START - ageDays * DAY_MS })
    await store.insert(
      [
        ...[at('1', 'old', 'purchase', 30), at('2', 'new', 'view', 10), at('3', 'tie-b', 'view', 20)],
        ...[at('4', 'tie-a', 'view', 20), at('5', 'disliked', 'dislike', 1), at('6', 'unlisted', 'share', 0)],
        at('7', 'new', 'view', 20),
      ],
      { signal },
    )
    const query = { weights: { view: 1, purchase: 16 }, halfLifeMs: 10 * DAY_MS, windowMs: null, limit: 10 }
    const all = await store.popular(query, { signal })
    expect(all.map(({ itemId, events }) => [itemId, events])).toEqual([
      ...[['old', 1], ['new', 2], ['tie-a', 1], ['tie-b', 1]], // biome-ignore format: one line
    ])
    for (const [index, score] of [2, 0.75, 0.25, 0.25].entries()) expect(all[index]?.score).toBeCloseTo(score, 12)
    const recent = await store.popular({ ...query, windowMs: 20 * DAY_MS, limit: 2 }, { signal })
    expect(recent.map(({ itemId }) => itemId)).toEqual(['new', 'tie-a'])
    expect(await store.popular({ ...query, weights: {} }, { signal })).toEqual([])
  })
}

async function collect(store: EventStore, until: ReadonlyMap<string, number>): Promise<StoredEvent[]> {
  const found: StoredEvent[] = []
  for await (const batch of store.scanByUser(until, { batchEventsMax: 1_000, signal })) found.push(...batch)
  return found
}

function positionsOf(events: readonly StoredEvent[]): Record<string, number> {
  const next: Record<string, number> = {}
  for (const { topic, partition, offset } of events)
    next[`${topic}/${partition}`] = Math.max(next[`${topic}/${partition}`] ?? 0, offset + 1)
  return next
}
