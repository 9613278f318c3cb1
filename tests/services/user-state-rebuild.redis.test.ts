import { createClient } from 'redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runUpdater } from '../../services/updater/updater.ts'
import { TOPICS } from '../../streams/topics.ts'
import { eventually } from '../support/eventually.ts'
import { openWorld, type World } from '../unit/consumer-world.ts'
import { type PrivateServices, startPrivateServices } from './private-services.ts'

let services: PrivateServices
let admin: ReturnType<typeof createClient>

beforeAll(async () => {
  services = await startPrivateServices(['redis'])
  admin = createClient({ url: services.url('redis') })
  admin.on('error', () => {})
  await admin.connect()
})
afterAll(async () => {
  admin.destroy()
  await services[Symbol.asyncDispose]()
})

const users = Array.from({ length: 50 }, (_, index) => `u${index}`)
const someEvents = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ userId: `u${index % 50}`, itemId: `i${index % 7}` }))

/** Runs the updater while `work` goes on. */
async function whileUpdating(world: World, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const { backends, codecs } = world
  const running = runUpdater(world.context(), backends, { codecs, models: { current: () => null } }, stop.signal)
  try {
    await work()
  } finally {
    stop.abort()
    await running
  }
}

/** Waits until every event of the log is in user state and counted once. */
async function allCounted({ backends, signal }: World, events: number): Promise<void> {
  const { userState } = backends
  await eventually(
    () => userState.totals({ signal }).catch(() => null),
    (totals) => totals?.events === events,
    30_000,
  )
  const ends = await backends.log.offsets(TOPICS.interactions, { signal })
  const target = new Map(ends.map((end) => [`${TOPICS.interactions}/${end.partition}`, end.endOffset]))
  // What is applied is heard on a connection of its own, which may come back after the one that counts.
  await eventually(
    () => userState.waitApplied(target, { timeoutMs: 1_000, signal }).catch(() => false),
    (reached) => reached,
    30_000,
  )
  expect(await userState.totals({ signal })).toEqual({ users: users.length, events })
  const records = await userState.getMany(users, { signal })
  expect(records.reduce((sum, record) => sum + (record?.events ?? 0), 0)).toBe(events)
}

test('a server that is emptied while in use is rebuilt from the event store, every event once', async () => {
  await using world = await openWorld({ USER_STATE_URL: `${services.url('redis')}?prefix=flushed` })
  await world.send(someEvents(2_000))
  await world.drain(['sink'])
  await whileUpdating(world, async () => {
    await allCounted(world, 2_000)
    await admin.flushAll()
    await world.send(someEvents(500))
    await allCounted(world, 2_500)
  })
})

test('a server that is killed and started again while in use goes on where it was, every event once', async () => {
  await using world = await openWorld({ USER_STATE_URL: `${services.url('redis')}?prefix=restarted` })
  await world.send(someEvents(1_000))
  await world.drain(['sink'])
  await whileUpdating(world, async () => {
    await allCounted(world, 1_000)
    for (let round = 1; round <= 3; round++) {
      const sending = world.send(someEvents(1_000))
      process.kill(services.pid('redis'), 'SIGKILL')
      await services.stop('redis')
      await services.start('redis')
      await sending
      await allCounted(world, 1_000 + round * 1_000)
    }
  })
})

test('two updaters that find the state empty rebuild it once, and neither spoils the other', async () => {
  const url = `${services.url('redis')}?prefix=contested`
  await using world = await openWorld({ USER_STATE_URL: url })
  await world.send(someEvents(2_000))
  await world.drain(['sink', 'updater'])
  await admin.flushAll()
  await whileUpdating(world, () => whileUpdating(world, () => allCounted(world, 2_000)))
})
