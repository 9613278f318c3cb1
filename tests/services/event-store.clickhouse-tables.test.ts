import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openEventStore } from '../../stores/event-store/open.ts'
import { temporaryDatabase } from './clickhouse-database.ts'
import { serviceUrl } from './service-url.ts'
import { START, storedEvents } from './stored-events.ts'

const signal = new AbortController().signal
const DAY_MS = 86_400_000

const place = () => temporaryDatabase(serviceUrl('clickhouse'))

test('starters at the same moment all open the store, and each migration is recorded once', async () => {
  await using database = await place()
  const stores = await Promise.all(Array.from({ length: 6 }, () => openEventStore(database.url)))
  await Promise.all(stores.map((store, index) => store.insert(storedEvents(index * 10, 10), { signal })))
  expect(await stores[0]?.count({ signal })).toBe(60)
  await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()))
  const recorded = 'SELECT concat(name, toString(applied_at)) FROM migrations FINAL ORDER BY version'
  const before = await database.values(recorded)
  expect(before.length).toBeGreaterThan(0)
  await using again = await openEventStore(database.url)
  expect(await again.count({ signal })).toBe(60)
  expect(await database.values(recorded)).toEqual(before)
})

test('a starter that died before it recorded a migration is followed by one that finishes it', async () => {
  await using database = await place()
  {
    await using store = await openEventStore(database.url)
    await store.insert(storedEvents(0, 10), { signal })
  }
  await database.run('TRUNCATE TABLE migrations')
  await using again = await openEventStore(database.url)
  expect(await again.count({ signal })).toBe(10)
})

test('tables of a newer version, or migrated by other files, are refused and not touched', async () => {
  await using database = await place()
  {
    await using _store = await openEventStore(database.url)
  }
  await database.run(`INSERT INTO migrations (version, name, checksum) VALUES (99, '0099-later.sql', 'x')`)
  await expect(openEventStore(database.url)).rejects.toMatchObject({
    code: 'UNKNOWN_FORMAT',
    message: expect.stringContaining('0099-later.sql'),
  })
  await database.run('TRUNCATE TABLE migrations')
  await database.run(`INSERT INTO migrations (version, name, checksum) VALUES (1, '0001-events.sql', 'edited')`)
  await expect(openEventStore(database.url)).rejects.toMatchObject({ code: 'UNKNOWN_FORMAT' })
})

test('a repeat that no merge has removed yet counts for no reader', async () => {
  await using database = await place()
  await using store = await openEventStore(database.url)
  await database.run('SYSTEM STOP MERGES events')
  const first = storedEvents(0, 500)
  await store.insert(first, { signal })
  const late = storedEvents(0, 500, (index) => ({
    ...{ itemId: 'late', timestamp: START + 9_000_000, offset: 1_000 + index, value: 7 },
  }))
  for (let round = 0; round < 3; round++) await store.insert(late.slice(round), { signal })
  expect(Number((await database.values('SELECT count() FROM events'))[0])).toBeGreaterThan(1_000)

  expect(await store.count({ signal })).toBe(500)
  expect(await store.positions({ signal })).toEqual(new Map([['interactions/0', 500]]))
  const columns = await store.columns({ signal })
  expect([columns.length, columns.items.includes('late'), columns.timestamp.at(-1)]).toEqual([500, false, START + 499])
  const popularity = { weights: { view: 1 }, halfLifeMs: DAY_MS, windowMs: 100, limit: 100 }
  const popular = await store.popular(popularity, { signal })
  expect(popular.reduce((sum, { events }) => sum + events, 0)).toBe(101)
  expect(await store.userEvents('u0', { limit: 1, signal })).toEqual([first[485]])
  const scanned = []
  for await (const batch of store.scanByUser(new Map([['interactions/0', 9_999]]), { batchEventsMax: 100, signal }))
    scanned.push(...batch)
  expect(new Set(scanned.map(({ itemId }) => itemId)).has('late')).toBe(false)
  expect(scanned).toHaveLength(500)

  await database.run('SYSTEM START MERGES events')
  await database.run('OPTIMIZE TABLE events FINAL')
  expect(await database.values('SELECT count() FROM events')).toEqual([500])
  expect(await store.userEvents('u0', { limit: 1, signal })).toEqual([first[485]])
})

test('retention follows the append time that the URL asks for, never the event time', async () => {
  await using database = await place()
  const now = Date.now()
  const url = `${database.url}?retention_days=30`
  await using store = await openEventStore(url)
  const days = (index: number) => (index < 40 ? 31 : 29)
  await store.insert(
    storedEvents(0, 100, (index) => ({ timestamp: START, appendedAt: now - days(index) * DAY_MS })),
    { signal },
  )
  await database.run('OPTIMIZE TABLE events FINAL')
  expect(await store.count({ signal })).toBe(60)
  await using again = await openEventStore(url)
  expect(await again.count({ signal })).toBe(60)
  const table = `SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'events'`
  expect((await database.values(table))[0]).toContain('toIntervalDay(30)')
})

test('settings in the URL reach the server, but not those that a promise rests on', async () => {
  await using database = await place()
  const careless = 'ch_async_insert=1&ch_wait_for_async_insert=0&ch_max_insert_block_size=10&ch_precise_float_parsing=0'
  await using store = await openEventStore(`${database.url}?${careless}`)
  const events = storedEvents(0, 5_000, (index) => ({ value: index / 7 }))
  await database.run('SYSTEM STOP MERGES events')
  await store.insert(events, { signal })
  const parts = `SELECT count() FROM system.parts WHERE active AND database = currentDatabase() AND table = 'events'`
  expect(await database.values(parts)).toEqual([1])
  expect(await store.userEvents('u5', { limit: 100, signal })).toEqual(
    events.filter(({ userId }) => userId === 'u5').toReversed(),
  )
  await using limited = await openEventStore(`${database.url}?ch_max_rows_to_read=1000&ch_read_overflow_mode=break`)
  const reads = [limited.count({ signal }), limited.columns({ signal }), limited.positions({ signal })]
  for (const read of await Promise.allSettled(reads)) {
    expect(read).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } })
  }
  await expect(openEventStore(`${database.url}?ch_max_rows_to_read=x`)).rejects.toMatchObject({
    field: 'EVENT_STORE_URL',
  })
})

test('any value, time, offset and context is read back bit for bit', async () => {
  await using database = await place()
  await using store = await openEventStore(database.url)
  let run = 0
  const fields = fc.record({
    value: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    timestamp: fc.integer({ min: 946_684_800_000, max: 2 ** 52 - 1 }),
    offset: fc.integer({ min: 0, max: 2 ** 53 - 1 }),
    context: fc.option(fc.dictionary(fc.string({ minLength: 1 }), fc.string({ unit: 'binary' }), { maxKeys: 4 })),
    itemId: fc.stringMatching(/^[\x21-\x7e]{1,128}$/),
    requestId: fc.option(fc.stringMatching(/^[\x21-\x7e]{1,128}$/)),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(fields, { minLength: 1, maxLength: 40 }), async (given) => {
      const userId = `run${run++}`
      const events = storedEvents(0, given.length, (index) => ({ ...given[index], userId }))
      await store.insert(events, { signal })
      const read = await store.userEvents(userId, { limit: 100, signal })
      const byId = new Map(read.map((event) => [event.eventId, event]))
      for (const event of events) {
        // JSON has no negative zero.
        const value = event.value === 0 ? 0 : event.value
        const context = event.context === null ? null : { ...event.context }
        expect(byId.get(event.eventId)).toEqual({ ...event, value, context })
      }
    }),
    { numRuns: 25 },
  )
})
