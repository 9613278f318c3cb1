import { expect, test } from 'vitest'
import { isMillraceError } from '../../schemas/errors.ts'
import { EMPTY_USER } from '../../schemas/user-record.ts'
import { applyEvents } from '../../services/updater/apply-events.ts'
import { historyRules } from '../../services/updater/rules.ts'
import { startingOffsets } from '../../services/updater/starting-offsets.ts'
import { runUpdater } from '../../services/updater/updater.ts'
import { TOPICS } from '../../streams/topics.ts'
import { eventually } from '../support/eventually.ts'
import { openWorld, type World } from './consumer-world.ts'

/** Users and what must not differ between a live and a rebuilt state. */
async function stateOf({ backends: { userState }, signal }: World, users: readonly string[]) {
  const records = await userState.getMany(users, { signal })
  return records.map((record) => record && { ...record, revision: 0, lastFreshnessMs: null })
}

const users = Array.from({ length: 20 }, (_, index) => `u${index}`)
const someEvents = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ userId: `u${index % 20}`, itemId: `i${index % 7}` }))

test('every event counts once and its freshness is known', async () => {
  await using world = await openWorld()
  await world.send(someEvents(200))
  await world.send([{ userId: 'u0', eventId: 'same' }, { userId: 'u0', eventId: 'same' }]) // biome-ignore format: one line
  const context = world.context()
  await world.drain(['updater'], context)
  const { userState } = world.backends
  expect(await userState.totals(world)).toEqual({ users: 20, events: 201 })
  expect((await userState.get('u0', world))?.events).toBe(11)
  expect((await userState.get('u0', world))?.lastFreshnessMs).toBeGreaterThanOrEqual(0)
  const metrics = await context.metrics.metrics()
  expect(metrics).toContain('updater_events_total{result="applied"} 201')
  expect(metrics).toContain('updater_events_total{result="duplicate"} 1')
  expect(metrics).toContain('event_freshness_seconds_count 201')
})

test('a flushed state is rebuilt from the event store as it was, and goes on from there', async () => {
  await using world = await openWorld()
  await world.send(someEvents(300))
  await world.drain(['sink', 'updater'])
  const before = await stateOf(world, users)
  await world.backends.userState.clear(world)
  await world.send([{ userId: 'u3', itemId: 'new' }])
  await world.drain(['sink', 'updater'])
  expect(await world.backends.userState.totals(world)).toEqual({ users: 20, events: 301 })
  const after = await stateOf(world, users)
  expect(after.filter((_, index) => index !== 3)).toEqual(before.filter((_, index) => index !== 3))
})

test('a state that is emptied while the updater works is rebuilt as soon as it notices, before anything else is applied', async () => {
  await using world = await openWorld()
  const { backends, codecs } = world
  const { userState } = backends
  await world.send(someEvents(100))
  await world.drain(['sink', 'updater'])
  const stop = new AbortController()
  const parts = { codecs, models: { current: () => null }, retry: { attemptsMax: 2, delayMs: 1, delayMaxMs: 5 } }
  const updating = runUpdater(world.context(), backends, parts, stop.signal)
  await world.send([{ userId: 'u1', itemId: 'before' }])
  await eventually(
    () => userState.totals(world),
    ({ events }) => events === 101,
  )
  await userState.clear(world)
  await world.send([{ userId: 'u2', itemId: 'after' }])
  const seen = new Set<number>()
  await eventually(
    async () => {
      const { events } = await userState.totals(world)
      if ((await userState.recipe(world))?.startsWith('{')) seen.add(events)
      return events
    },
    (events) => events === 102,
  )
  expect([...seen].filter((events) => events < 100)).toEqual([])
  stop.abort()
  await updating
})

test('a state that is emptied while no event comes is rebuilt by itself', async () => {
  await using world = await openWorld()
  const { backends, codecs } = world
  const events = () => backends.userState.totals(world).then((totals) => totals.events)
  const stop = new AbortController()
  const updating = runUpdater(world.context(), backends, { codecs, models: { current: () => null } }, stop.signal)
  await world.send(someEvents(100))
  await world.drain(['sink'])
  await eventually(events, (count) => count === 100)
  await backends.userState.clear(world)
  expect(await events()).toBe(0)
  await eventually(events, (count) => count === 100)
  stop.abort()
  await updating
})

test('a rebuild under which the state loses writes is not called whole, and the next one is', async () => {
  await using world = await openWorld()
  const { eventStore, userState } = world.backends
  await world.send(someEvents(100))
  await world.drain(['sink', 'updater'])
  await userState.clear(world)
  const forgetful = {
    ...world.backends,
    eventStore: new Proxy(eventStore, {
      get(target, name) {
        if (name !== 'scanByUser') return Reflect.get(target, name)
        return async function* (...[until, options]: Parameters<typeof eventStore.scanByUser>) {
          let sign = ''
          for await (const batch of target.scanByUser(until, { ...options, batchEventsMax: 30 })) {
            // As a server that comes back without its last second: the sign of life is the one before.
            if (sign !== '') await userState.setRecipe(sign, world)
            sign = (await userState.recipe(world)) ?? ''
            yield batch
          }
        }
      },
    }),
  }
  const assigned = (await world.backends.log.offsets(TOPICS.interactions, world)).map((offsets) => ({
    ...offsets,
    committedOffset: offsets.endOffset,
  }))
  const start = startingOffsets(assigned, world.context(), forgetful, world.signal)
  await expect(start).rejects.toMatchObject({
    code: 'STATE_UNAVAILABLE',
    message: expect.stringContaining('lost writes'),
  })
  expect(await userState.recipe(world)).toMatch(/^rebuilding /)
  await userState.clear(world)
  await startingOffsets(assigned, world.context(), world.backends, world.signal)
  expect(await userState.totals(world)).toEqual({ users: 20, events: 100 })
})

test('another recipe rebuilds every history under the new rules', async () => {
  await using world = await openWorld()
  await world.send([{ type: 'view' }])
  await world.drain(['sink', 'updater'])
  await world.send([{ userId: 'other' }])
  await world.drain(['updater'], world.context({ EVENT_WEIGHTS: 'view:3' }))
  expect((await world.backends.userState.get('u', world))?.history[0]?.strength).toBe(3)
})

test('applied offsets below the commit rewind the log, and the records that come again change nothing', async () => {
  await using world = await openWorld()
  const { userState } = world.backends
  await world.send(someEvents(100))
  await world.drain(['updater'])
  const before = await stateOf(world, users)
  const applied = await userState.applied(world)
  const lower = new Map([...applied].map(([name, offset]) => [name, offset - 1]))
  await userState.setApplied(lower, { ...world, allowLower: true })
  await world.send([{ userId: 'other' }])
  const context = world.context()
  await world.drain(['updater'], context)
  expect(await context.metrics.metrics()).toContain('updater_events_total{result="applied"} 1\n')
  expect(await context.metrics.metrics()).toContain('updater_events_total{result="duplicate"} 100')
  expect(await stateOf(world, users)).toEqual(before)
})

test('a state that falls back while the updater works is read again from there, and nothing counts twice', async () => {
  await using world = await openWorld()
  const { backends, codecs } = world
  const { userState } = backends
  const events = () => userState.totals(world).then((totals) => totals.events)
  const stop = new AbortController()
  const parts = { codecs, models: { current: () => null }, retry: { attemptsMax: 2, delayMs: 1, delayMaxMs: 5 } }
  const context = world.context()
  const updating = runUpdater(context, backends, parts, stop.signal)
  const metrics = () => context.metrics.metrics()
  const counted = (count: number) =>
    eventually(metrics, (text) => text.includes(`updater_events_total{result="applied"} ${count}\n`))
  await world.send(someEvents(100))
  // Users are written before `applied`, and both before the metrics.
  await counted(100)
  const applied = () => userState.applied(world)
  const fallBack = async () => {
    const lower = new Map([...(await applied())].map(([name, offset]) => [name, Math.max(0, offset - 2)]))
    await userState.setApplied(lower, { ...world, allowLower: true })
  }
  // Noticed while no event comes, and by the next event.
  const before = await applied()
  await fallBack()
  await eventually(applied, (now) => [...before].every(([name, offset]) => now.get(name) === offset))
  await fallBack()
  await world.send(someEvents(20))
  const told = await counted(120)
  expect(told).not.toContain('updater_events_total{result="duplicate"} 0\n')
  expect(await events()).toBe(120)
  stop.abort()
  await updating
})

test('two updaters that write the same users lose nothing', async () => {
  await using world = await openWorld()
  const { userState } = world.backends
  const conflicts: number[] = []
  const rules = historyRules(world.context())
  const generation = await userState.generation(world)
  const parts = {
    userState,
    generation,
    rules,
    model: null,
    freshnessMs: () => 1,
    signal: world.signal,
    heartbeat: async () => {},
  }
  const write = async (partition: number) => {
    for (let offset = 0; offset < 40; offset++) {
      const event = { userId: 'u', itemId: `i${offset}`, type: 'view', timestamp: 1e12, operation: 'assert' as const }
      const place = { topic: TOPICS.interactions, partition, offset, appendedAt: 0, eventId: `${partition}/${offset}` }
      const stored = { ...event, ...place, value: null, requestId: null, context: null }
      // As consumeReliably does: what gave up after too many conflicts is done again.
      for (let done = false; !done; ) {
        done = await applyEvents([stored], { ...parts, onConflict: (count) => conflicts.push(count) }).then(
          () => true,
          (error) => {
            if (!isMillraceError(error, 'CONFLICT')) throw error
            return false
          },
        )
      }
    }
  }
  await Promise.all([write(0), write(1)])
  const record = await userState.get('u', world)
  expect(record?.events).toBe(80)
  expect(record?.history.map(({ strength }) => strength)).toEqual(Array.from({ length: 40 }, () => 2))
  expect(conflicts.length).toBeGreaterThan(0)
})

test("a zombie's late swap changes nothing", async () => {
  await using world = await openWorld()
  const { userState } = world.backends
  await world.send([{ itemId: 'a' }])
  await world.drain(['updater'])
  const seen = (await userState.get('u', world)) ?? EMPTY_USER
  await world.send([{ itemId: 'b' }])
  await world.drain(['updater'])
  const late = [{ userId: 'u', expectedRevision: seen.revision, next: { ...seen, revision: seen.revision + 1 } }]
  expect(await userState.swap(late, world)).toEqual([false])
  expect((await userState.get('u', world))?.events).toBe(2)
})

test('a log that ends before what was applied is LOG_RESET, and the state stays', async () => {
  await using world = await openWorld()
  const { userState } = world.backends
  await world.send([{}])
  await world.drain(['updater'])
  await world.send([{}])
  await userState.setApplied(new Map([['interactions/0', 1_000]]), world)
  await expect(world.drain(['updater'])).rejects.toMatchObject({ code: 'LOG_RESET' })
  expect(await userState.totals(world)).toEqual({ users: 1, events: 1 })
})

test('a log that went on while a partition was assigned is not taken for another one', async () => {
  await using world = await openWorld()
  await world.send([{}])
  await world.drain(['updater'])
  const [[name, applied] = ['', 0]] = await world.backends.userState.applied(world)
  const [topic = '', partition] = name.split('/')
  const stale = { topic, partition: Number(partition), committedOffset: null, startOffset: 0, endOffset: 0 }
  const { starts } = await startingOffsets([stale], world.context(), world.backends, world.signal)
  expect(applied).toBe(1)
  expect(starts.get(name)).toBeLessThanOrEqual(1)
})

test('a state that is ahead of the commit commits as well, although nothing is left to apply', async () => {
  await using world = await openWorld()
  await world.send(someEvents(100))
  await world.drain(['sink'])
  await world.drain(['updater'])
  expect(await world.backends.userState.totals(world)).toEqual({ users: 20, events: 100 })
})
