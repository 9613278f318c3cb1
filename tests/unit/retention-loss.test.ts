import { Writable } from 'node:stream'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { runSink } from '../../services/sink/sink.ts'
import { runUpdater } from '../../services/updater/updater.ts'
import type { EmbeddedLog } from '../../streams/event-log/embedded/log.ts'
import { TOPICS } from '../../streams/topics.ts'
import { eventually } from '../support/eventually.ts'
import { openWorld, type World } from './consumer-world.ts'

/** Retention lets everything go that is in the log now. */
async function forgetLog({ backends, signal }: World): Promise<void> {
  const log = backends.log as EmbeddedLog
  const spec = { topic: TOPICS.interactions, partitions: 2, cleanup: 'delete' } as const
  await log.ensureTopics([{ ...spec, retentionBytes: 0 }], { signal })
  await log.enforceRetention()
  await log.ensureTopics([spec], { signal })
}

const events = (count: number) => Array.from({ length: count }, (_, index) => ({ itemId: `i${index}` }))

function recording(world: World) {
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  return { context: { ...world.context(), logger: pino(stream) }, lines }
}

test('records that retention took before the sink had them are told and counted, and the rest is stored', async () => {
  await using world = await openWorld()
  await world.send(events(3))
  await world.drain(['sink'])
  await world.send(events(4))
  await forgetLog(world)
  await world.send(events(2))
  const { context, lines } = recording(world)
  await world.drain(['sink'], context)
  expect(await world.backends.eventStore.count(world)).toBe(5)
  expect(await context.metrics.metrics()).toContain('sink_records_lost_total 4')
  expect(lines.filter((line) => JSON.parse(line).level === 50)).toEqual([expect.stringContaining('"lost":4')])
  await world.send(events(1))
  await world.drain(['sink'], context)
  expect(await context.metrics.metrics()).toContain('sink_records_lost_total 4')
})

test('records that retention took between two batches of a slow updater come from the event store', async () => {
  await using world = await openWorld()
  const { backends, codecs } = world
  const { userState } = backends
  const stop = new AbortController()
  const gate = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  const slow = Object.create(userState) as typeof userState
  slow.swap = async (...given) => {
    reached.resolve()
    await gate.promise
    return userState.swap(...given)
  }
  for (const name of [
    'get',
    'getMany',
    'applied',
    'setApplied',
    'recipe',
    'setRecipe',
    'clear',
    'generation',
  ] as const) {
    Object.assign(slow, { [name]: (userState[name] as (...given: unknown[]) => unknown).bind(userState) })
  }
  const parts = { codecs, models: { current: () => null } }
  const retry = { attemptsMax: 2, delayMs: 1, delayMaxMs: 5 }
  const updating = runUpdater(world.context(), { ...backends, userState: slow }, { ...parts, retry }, stop.signal)
  const sinking = runSink(world.context(), backends, parts, stop.signal)
  await eventually(
    () => userState.recipe(world),
    (recipe) => recipe?.startsWith('{') ?? false,
  )
  await world.send(events(3))
  await reached.promise
  await world.send(events(4))
  await eventually(
    () => backends.eventStore.count(world),
    (count) => count === 7,
  )
  await forgetLog(world)
  await world.send(events(2))
  gate.resolve()
  const totals = await eventually(
    () => userState.totals(world),
    ({ events }) => events === 9,
  )
  expect(totals).toEqual({ users: 1, events: 9 })
  stop.abort()
  await Promise.all([updating, sinking])
})

test('records that neither log nor event store have any more are told, and the updater goes on', async () => {
  await using world = await openWorld()
  await world.send(events(3))
  await world.drain(['sink', 'updater'])
  await world.send(events(4))
  await forgetLog(world)
  await world.send(events(2))
  const { context, lines } = recording(world)
  await world.drain(['updater'], context)
  expect(await world.backends.userState.totals(world)).toEqual({ users: 1, events: 5 })
  expect(lines.filter((line) => JSON.parse(line).level === 50)).toEqual([expect.stringContaining('"lost":4')])
})
