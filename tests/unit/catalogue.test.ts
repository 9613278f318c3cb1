import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Item } from '../../schemas/catalogue.ts'
import { MillraceError } from '../../schemas/errors.ts'
import { followCatalogue } from '../../services/runtime/catalogue.ts'
import { CatalogueIndex } from '../../services/runtime/catalogue-index.ts'
import { createOutages } from '../../services/runtime/outages.ts'
import { openCodecs } from '../../streams/codec/open.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { EventLog } from '../../streams/event-log/port.ts'
import { topicSpecs } from '../../streams/topics.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/process.ts'

const itemOf = (itemId: string, categories: string[] = [], withdrawn = false): Item => ({
  ...{ itemId, title: `Title ${itemId}`, categories, attributes: {}, withdrawn },
})

test('members follow every change of an item, and empty categories disappear', () => {
  const index = new CatalogueIndex()
  index.putItem('a', itemOf('a', ['x', 'y']))
  index.putItem('b', itemOf('b', ['y']))
  expect(index.categories()).toEqual(['x', 'y'])
  index.putItem('a', itemOf('a', ['z']))
  expect([...index.members('y')]).toEqual(['b'])
  expect(index.categories()).toEqual(['y', 'z'])
  index.putItem('b', itemOf('b', ['y'], true))
  expect(index.categories()).toEqual(['z'])
  expect(index.members('y').size).toBe(0)
  expect([index.item('b'), index.isWithdrawn('b'), index.itemCount]).toEqual([null, true, 1])
})

test('a withdrawn item comes back when it is described again; a tombstone withdraws, also what was never described', () => {
  const index = new CatalogueIndex()
  index.putItem('a', itemOf('a', [], true))
  index.putItem('a', itemOf('a'))
  expect([index.item('a')?.itemId, index.isWithdrawn('a')]).toEqual(['a', false])
  index.putItem('never', null)
  expect([index.isWithdrawn('never'), [...index.withdrawn()]]).toEqual([true, ['never']])
})

let closing: AsyncDisposableStack
let log: EventLog
let codecs: Codecs
let stop: AbortController
const never = new AbortController().signal

beforeEach(async () => {
  closing = new AsyncDisposableStack()
  stop = new AbortController()
  const folder = closing.use(await temporaryFolder('catalogue'))
  log = closing.use(await openEventLog(`embedded:${folder.path}/log`, { now: Date.now }))
  codecs = await openCodecs({ registryUrl: '', folder: null })
  const settings = { PARTITIONS: 2, LOG_RETENTION_HOURS: 1, LOG_RETENTION_BYTES: 2 ** 30 }
  await log.ensureTopics(topicSpecs(settings), { signal: never })
})
afterEach(async () => {
  stop.abort()
  await closing.disposeAsync()
})

const logger = pino({ level: 'silent' })
const outages = createOutages({ logger, now: Date.now })
const follow = () => followCatalogue({ log, codecs, logger, outages }, stop.signal)
const put = (...items: Item[]) =>
  log.append(
    'items',
    items.map((item) => ({ key: item.itemId, value: codecs.item.encode(item) })),
    { signal: never },
  )

test('two processes that have read the same records have the same revision, whenever they started', async () => {
  await put(itemOf('a', ['x']), itemOf('b'))
  const early = follow()
  await early.whenReady
  const before = early.revision
  const positions = await put(itemOf('a', ['y']), itemOf('c', [], true))
  expect(await early.waitUntilRead(positions, 5_000)).toBe(true)
  const late = follow()
  await late.whenReady
  expect(late.revision).toBe(early.revision)
  expect(late.revision).not.toBe(before)
  expect([...late.members('y')]).toEqual(['a'])
  expect(late.isWithdrawn('c')).toBe(true)
  stop.abort()
  await Promise.all([early.done, late.done])
})

test('records that cannot be read, or lie under another key, are counted and left out', async () => {
  const value = codecs.item.encode(itemOf('a'))
  const records = [
    { key: 'a', value: new Uint8Array([1, 2, 3]) },
    { key: 'other', value },
    { key: 'a', value },
  ]
  const positions = await log.append('items', records, { signal: never })
  const catalogue = follow()
  await catalogue.whenReady
  expect(await catalogue.waitUntilRead(positions, 5_000)).toBe(true)
  expect(catalogue.item('a')?.title).toBe('Title a')
  expect(catalogue.item('other')).toBeNull()
  expect(catalogue.unreadable).toBeGreaterThanOrEqual(1)
})

test('stated preferences come and go, and do not change the revision of items', async () => {
  const catalogue = follow()
  await catalogue.whenReady
  const user = { userId: 'u', categories: ['x'], attributes: {} }
  const said = await log.append('users', [{ key: 'u', value: codecs.user.encode(user) }], { signal: never })
  expect(await catalogue.waitUntilRead(said, 5_000)).toBe(true)
  expect([catalogue.user('u'), catalogue.revision]).toEqual([user, ''])
  const forgot = await log.append('users', [{ key: 'u', value: null }], { signal: never })
  expect(await catalogue.waitUntilRead(forgot, 5_000)).toBe(true)
  expect(catalogue.user('u')).toBeNull()
  expect(await catalogue.waitUntilRead([{ topic: 'users', partition: 0, offset: 99 }], 1)).toBe(false)
})

test('a topic that is read again from its start, uncompacted, brings nothing back that was withdrawn since', async () => {
  await using closing = new AsyncDisposableStack()
  const folder = closing.use(await temporaryFolder('catalogue-again'))
  const slow = closing.use(await openEventLog(`embedded:${folder.path}/log`, { now: Date.now }))
  const spec = { partitions: 1, cleanup: 'delete' } as const
  await slow.ensureTopics(
    [
      { topic: 'items', ...spec },
      { topic: 'users', ...spec },
    ],
    { signal: never },
  )
  const between = Array.from({ length: 1_500 }, (_, index) => itemOf(`b${index}`))
  const records = [itemOf('a'), ...between, itemOf('a', [], true)]
  const values = records.map((item) => ({ key: item.itemId, value: codecs.item.encode(item) }))
  await slow.append('items', values, { signal: never })
  const failed = Promise.withResolvers<never>()
  const seen: unknown[] = []
  const failing: Pick<EventLog, 'follow'> = {
    async follow(options, handler) {
      if (seen.length > 0 || options.topic !== 'items') return slow.follow(options, watched(handler, options.topic))
      seen.push('first')
      await Promise.race([slow.follow(options, handler), failed.promise])
    },
  }
  const watched = (handler: Parameters<EventLog['follow']>[1], topic: string): typeof handler => ({
    ...handler,
    async onBatch(batch) {
      await handler.onBatch(batch)
      if (topic === 'items') seen.push([catalogue.isWithdrawn('a'), catalogue.revision])
    },
  })
  const catalogue = followCatalogue({ log: failing as EventLog, codecs, logger, outages }, stop.signal)
  await catalogue.whenReady
  const { revision } = catalogue
  failed.reject(new MillraceError('LOG_UNAVAILABLE', 'the broker went away'))
  await eventually(
    () => seen.length,
    (count) => count === 3,
  )
  expect(seen).toEqual(['first', [true, revision], [true, revision]])
  stop.abort()
  await catalogue.done
})
