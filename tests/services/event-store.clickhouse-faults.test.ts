import { kill } from 'node:process'
import { expect, test } from 'vitest'
import { isMillraceError, type MillraceError } from '../../schemas/errors.ts'
import { openEventStore } from '../../stores/event-store/open.ts'
import type { EventStore } from '../../stores/event-store/port.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryDatabase } from './clickhouse-database.ts'
import { startCuttingProxy } from './cutting-proxy.ts'
import { startPrivateServices } from './private-services.ts'
import { serviceUrl } from './service-url.ts'
import { storedEvents } from './stored-events.ts'

const signal = new AbortController().signal
const BATCH = 2_000
const SECRET = 'hunter2-secret'

test('a server killed in the middle is STORE_UNAVAILABLE, shows whole batches only, and is found again by itself', async () => {
  await using servers = await startPrivateServices(['clickhouse'])
  await using database = await temporaryDatabase(servers.url('clickhouse'))
  await using store = await openEventStore(database.url)
  let acknowledged = 0
  for (let round = 0; round < 3; round++) {
    const target = acknowledged + 3 + round
    const failure = await insertUntilRefused(store, acknowledged, async (batches) => {
      acknowledged = batches
      if (batches === target) setImmediate(() => kill(servers.pid('clickhouse'), 'SIGKILL'))
    })
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(acknowledged).toBeGreaterThanOrEqual(target)
    const reads = [store.count({ signal }), store.columns({ signal }), store.positions({ signal })]
    for (const read of await Promise.allSettled(reads))
      expect(read).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } })

    await servers.start('clickhouse')
    const found = await store.count({ signal })
    expect([acknowledged * BATCH, (acknowledged + 1) * BATCH]).toContain(found)
    expect((await store.positions({ signal })).get('interactions/0')).toBe(found)
    // The last acknowledged batch and the one in doubt come again, cut differently, as after a restart of the sink.
    await store.insert(storedEvents((acknowledged - 1) * BATCH, 2 * BATCH), { signal })
    acknowledged++
    expect(await store.count({ signal })).toBe(acknowledged * BATCH)
    expect((await store.columns({ signal })).length).toBe(acknowledged * BATCH)
  }
})

test('a server that stops while columns are read is STORE_UNAVAILABLE, and reading works after its return', async () => {
  await using servers = await startPrivateServices(['clickhouse'])
  await using database = await temporaryDatabase(servers.url('clickhouse'))
  await using store = await openEventStore(database.url)
  await store.insert(storedEvents(0, 50_000), { signal })
  const reading = store.columns({ signal }).catch((error: unknown) => error)
  kill(servers.pid('clickhouse'), 'SIGKILL')
  expect(await reading).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await servers.start('clickhouse')
  expect((await store.columns({ signal })).length).toBe(50_000)
})

test('a server without space is DISK_FULL, keeps what it acknowledged, and goes on once there is space', async () => {
  await using database = await temporaryDatabase(serviceUrl('clickhouse'))
  await using store = await openEventStore(database.url)
  await store.insert(storedEvents(0, BATCH), { signal })
  // The server refuses before the last byte is taken; how much must stay free is put above what any disk has.
  await database.run('ALTER TABLE events MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000')
  const refused = store.insert(storedEvents(BATCH, BATCH), { signal })
  await expect(refused).rejects.toMatchObject({
    code: 'DISK_FULL',
    message: expect.stringMatching(/disk of .* is full/),
  })
  expect(await store.count({ signal })).toBe(BATCH)
  await database.run('ALTER TABLE events RESET SETTING min_free_disk_bytes_to_perform_insert')
  await store.insert(storedEvents(BATCH, BATCH), { signal })
  expect(await store.count({ signal })).toBe(2 * BATCH)
})

test('a batch whose upload is cut, wherever that is, leaves nothing behind', async () => {
  await using world = await behindProxy()
  const { proxy, store, database } = world
  for (const afterBytesUp of [1, 700, 2_000, 20_000, 60_000]) {
    const cut = proxy.arm({ afterBytesUp })
    await expect(store.insert(storedEvents(0, 20_000), { signal })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await cut
    expect(await database.values('SELECT count() FROM events')).toEqual([0])
  }
  await store.insert(storedEvents(0, 20_000), { signal })
  expect(await database.values('SELECT count() FROM events')).toEqual([20_000])
})

test('a batch whose answer is lost is STORE_UNAVAILABLE, and the same identities again change nothing', async () => {
  await using world = await behindProxy()
  const { proxy, store, database } = world
  const batch = storedEvents(0, 1_000)
  const cut = proxy.arm({ afterBytesDown: 0 })
  await expect(store.insert(batch, { signal })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await cut
  await eventually(
    () => database.values('SELECT count() FROM events'),
    ([count]) => count === 1_000,
  )
  // The same bytes are not even written; other contents under the same identities are, and no reader sees them.
  await store.insert(batch, { signal })
  expect(await database.values('SELECT count() FROM events')).toEqual([1_000])
  await store.insert(
    storedEvents(0, 1_000, () => ({ itemId: 'other' })),
    { signal },
  )
  expect(await store.count({ signal })).toBe(1_000)
  expect((await store.columns({ signal })).items).not.toContain('other')
})

test('an answer cut in the middle of the columns is STORE_UNAVAILABLE, never a shorter window', async () => {
  await using world = await behindProxy()
  const { proxy, store } = world
  await store.insert(storedEvents(0, 20_000), { signal })
  for (const afterBytesDown of [0, 300, 5_000, 300_000]) {
    const cut = proxy.arm({ afterBytesDown })
    await expect(store.columns({ signal })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await cut
  }
  expect((await store.columns({ signal })).length).toBe(20_000)
})

test('what is wrong with the URL is one line that names the setting and shows no secret', async () => {
  const given = new URL(serviceUrl('clickhouse'))
  const variant = (change: (url: URL) => void) => {
    const url = new URL(given)
    change(url)
    return url.href
  }
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [variant((url) => (url.password = SECRET)), 'CONFIG_INVALID', /user or password/],
    [variant((url) => (url.username = 'nobody')), 'CONFIG_INVALID', /user or password/],
    [variant((url) => (url.pathname = '/no_such_database')), 'CONFIG_INVALID', /database that does not exist/],
    [variant((url) => (url.pathname = '/a/b')), 'CONFIG_INVALID', /path segment/],
    [variant((url) => (url.search = '?ch_no_such_setting=1')), 'CONFIG_INVALID', /setting that this server does not/],
    [variant((url) => (url.search = '?colour=red')), 'CONFIG_INVALID', /colour/],
    [variant((url) => (url.search = '?compression_request=0')), 'CONFIG_INVALID', /compression_request/],
    [variant((url) => (url.search = '?retention_days=0')), 'CONFIG_INVALID', /retention_days=0/],
    [`http://user:${SECRET}@127.0.0.1:1/db`, 'STORE_UNAVAILABLE', /127\.0\.0\.1:1\/db.*ECONNREFUSED/],
    [`http://user:${SECRET}@no-such-host.invalid:8123/db`, 'STORE_UNAVAILABLE', /no-such-host\.invalid/],
    [`https://user:${SECRET}@${given.host}/db`, 'CONFIG_INVALID', /TLS/],
    [`http://user:${SECRET}@[bad/db`, 'CONFIG_INVALID', /not a URL/],
  ]
  for (const [url, code, text] of cases) {
    const error = await openEventStore(url).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    if (!isMillraceError(error)) throw new Error(`${text} was not refused`)
    expect(error).toMatchObject({ code, field: 'EVENT_STORE_URL' })
    expect(error.message).toMatch(text)
    expect(error.message).toContain('EVENT_STORE_URL')
    expect(error.message).not.toContain('\n')
    expect(everything(error)).not.toContain(SECRET)
  }
})

/** The error as a logger would write it, causes included. */
function everything(error: MillraceError): string {
  const seen: string[] = []
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    seen.push(String(cause), JSON.stringify(cause), cause.stack ?? '')
  return seen.join('\n')
}

/** Inserts batch after batch until one is refused; returns the refusal. */
async function insertUntilRefused(
  store: EventStore,
  from: number,
  acknowledged: (batches: number) => Promise<void>,
): Promise<unknown> {
  for (let batch = from; batch < from + 1_000; batch++) {
    try {
      await store.insert(storedEvents(batch * BATCH, BATCH), { signal })
    } catch (error) {
      return error
    }
    await acknowledged(batch + 1)
  }
  return null
}

/** A store that talks to the shared server through a proxy; `database` talks to it directly. */
async function behindProxy() {
  const disposing = new AsyncDisposableStack()
  const database = disposing.use(await temporaryDatabase(serviceUrl('clickhouse')))
  const url = new URL(database.url)
  const proxy = disposing.use(await startCuttingProxy(Number(url.port)))
  url.port = String(proxy.port)
  const store = disposing.use(await openEventStore(url.href))
  return { database, proxy, store, [Symbol.asyncDispose]: () => disposing.disposeAsync() }
}
