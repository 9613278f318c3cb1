import { expect, test } from 'vitest'
import { TOPICS } from '../../streams/topics.ts'
import { openWorld } from './consumer-world.ts'

test('every event is stored once, repeats of an id included', async () => {
  await using world = await openWorld()
  const events = Array.from({ length: 500 }, (_, index) => ({ userId: `u${index % 9}`, eventId: `e${index % 400}` }))
  const distinct = new Set(events.map(({ userId, eventId }) => `${userId} ${eventId}`)).size
  await world.send(events)
  const context = world.context()
  await world.drain(['sink'], context)
  expect(await world.backends.eventStore.count(world)).toBe(distinct)
  expect(await context.metrics.metrics()).toContain('sink_events_total 500')
})

test('a poison record goes to the dead letters once, with its reason, and its partition goes on', async () => {
  await using world = await openWorld()
  const { log, eventStore, userState } = world.backends
  await world.send([{ itemId: 'before' }])
  await world.sendRaw(Uint8Array.of(9, 9, 9))
  await world.send([{ itemId: 'after' }, { itemId: 'odd', type: 'unheard-of' }])
  const context = world.context()
  // One after the other: an updater that starts on a new state takes what the sink has stored already from there.
  await world.drain(['updater'], context)
  await world.drain(['sink'], context)
  const letters = await log.read({ topic: TOPICS.deadLetters, partition: 0, offset: 0 }, 10, world)
  expect(letters.map(({ headers }) => headers['kafka_dlt-exception-fqcn'])).toEqual([
    'INVALID_EVENT',
    'UNKNOWN_EVENT_TYPE',
  ])
  expect(await eventStore.count(world)).toBe(2)
  expect((await userState.get('u', world))?.history.map(({ itemId }) => itemId).sort()).toEqual(['after', 'before'])
  const metrics = await context.metrics.metrics()
  expect(metrics).toContain('dead_letters_total{topic="interactions",code="INVALID_EVENT"} 1')
  expect(metrics).toContain('updater_events_total{result="dead_letter"} 2')
})

test('a sink that stops and starts again goes on after its last commit', async () => {
  await using world = await openWorld()
  await world.send([{}, {}, {}])
  await world.drain(['sink'])
  await world.send([{}, {}])
  const context = world.context()
  await world.drain(['sink'], context)
  expect(await world.backends.eventStore.count(world)).toBe(5)
  expect(await context.metrics.metrics()).toContain('sink_events_total 2')
})
