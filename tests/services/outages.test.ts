import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Accepted, call } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { openStruckCluster, type StruckCluster } from './struck-cluster.ts'

/** 260 MB of bodies, four times what may wait for the log. */
const FLOOD_REQUESTS = 1_000
/** Of the edge's memory: 64 MiB of bodies in progress, 64 MiB of waiting records and what lies between; 550 were measured. */
const GROWTH_MIB_MAX = 800

/** Events that `postCamps` sent. */
let events = 600
let world: StruckCluster

beforeAll(async () => {
  world = await openStruckCluster()
}, 240_000)
afterAll(() => world?.[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.counted(events)
  world.mark()
})
afterEach(() => {
  expect(world.cluster.deaths()).toEqual([])
  const secret = new URL(world.settings.ARTIFACTS_URL ?? '').password
  for (const { name, output } of world.cluster.instances) expect(output(), name).not.toContain(secret)
})

const post = (event: object) =>
  call<Accepted & { code: string }>(world.edge.url, 'POST', '/api/v1/events', { type: 'view', ...event })

/** Posts a new event that must be taken, whatever is away; returns its token. */
async function postOne(userId: string, itemId: string): Promise<string> {
  const { status, body } = await post({ userId, itemId })
  expect(status).toBe(202)
  events++
  return body.token
}

test('log away: events are refused with 503 and Retry-After, reading goes on, and afterwards the same ids count once', async () => {
  const { servers, edge } = world
  const event = { userId: 'trainer-0', itemId: 'item-01', eventId: 'while-away' }
  process.kill(servers.pid('kafka'), 'SIGKILL')
  for (let attempt = 1; attempt <= 3; attempt++) {
    const refused = await post(event)
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([
      503,
      'LOG_UNAVAILABLE',
      '1',
    ])
    expect(await world.list('trainer-1')).toMatchObject({ degraded: false, modelVersion: '1', sources: ['personal'] })
  }
  expect((await call(edge.url, 'GET', '/readyz')).status).toBe(200)
  await servers.start('kafka')
  const taken = await eventually(() => post(event), ({ status }) => status === 202, 60_000) // biome-ignore format: one line
  events++
  // The updater may still be joining its group again.
  const after = await eventually(() => world.list('trainer-0', `&after=${taken.body.token}&wait=5000`), ({ degraded }) => !degraded, 30_000) // biome-ignore format: one line
  expect(after.state?.events).toBe(11)
  await world.counted(events)
  expect(world.complaints('edge-1', /./)).toEqual([
    expect.stringMatching(/^POST \/api\/v1\/events is refused: Kafka did not take the records.*ECONN|closed/s),
  ])
  for (const name of ['sink-1', 'updater-1']) expect(world.complaints(name, /./).length, name).toBeLessThanOrEqual(1)
  expect(world.lines('edge-1').filter(({ msg }) => msg.startsWith('LOG_UNAVAILABLE is over'))).toHaveLength(1)
})

test('user state away: lists are degraded and say so, events are taken, the updater commits nothing and goes on by itself', async () => {
  const { servers } = world
  const before = await world.list('trainer-2')
  await servers.stop('redis')
  for (let read = 1; read <= 3; read++) {
    const list = await world.list('trainer-2')
    expect(list).toMatchObject({ degraded: true, state: null, skipped: { personal: 'state_unavailable' } })
    expect(list.items).toHaveLength(5)
  }
  const token = await postOne('trainer-2', 'item-03')
  expect(await world.list('trainer-2', `&after=${token}&wait=100`)).toMatchObject({ degraded: true, after: 'timeout' })
  await eventually(() => world.lagOf('updater'), (lag) => lag === 1) // biome-ignore format: one line
  await eventually(() => world.complaints('updater-1', /commits nothing/), (lines) => lines.length > 0) // biome-ignore format: one line
  await servers.start('redis')
  const known = await eventually(() => world.list('trainer-2', `&after=${token}&wait=5000`), ({ degraded }) => !degraded, 30_000) // biome-ignore format: one line
  expect(known.state?.events).toBe((before.state?.events ?? 0) + 1)
  await world.counted(events)
  expect(world.complaints('updater-1', /commits nothing/)).toHaveLength(1)
  for (const name of ['edge-1', 'updater-1']) {
    // Told by a connection of its own, which may come back after the one that counts.
    const back = /USER_STATE_URL redis:\S+ answers again/
    await eventually(() => world.complaints(name, back), (lines) => lines.length > 0) // biome-ignore format: one line
    expect(world.complaints(name, back), name).toHaveLength(1)
    expect(world.complaints(name, /tried again until it is back/), name).toHaveLength(1)
  }
})

test('user state flushed while nothing else happens: nobody is called unknown, and it is rebuilt by itself', async () => {
  const before = await world.list('trainer-3')
  await using admin = await connected(world.servers.url('redis'))
  await admin.client.flushAll()
  const first = await world.list('trainer-3')
  if (first.state === null) {
    expect(first).toMatchObject({ degraded: true, skipped: { personal: 'state_unavailable' } })
    expect(first.items).toHaveLength(5)
  }
  const rebuilt = await eventually(() => world.list('trainer-3'), ({ state }) => state !== null, 30_000) // biome-ignore format: one line
  expect(rebuilt.state?.events).toBe(before.state?.events)
  await world.counted(events)
  const told = () => world.lines('updater-1').filter(({ msg }) => msg.includes('was rebuilt'))
  await eventually(told, (lines) => lines.length > 0)
  expect(told()).toHaveLength(1)
})

test('event store away: everything but the sink goes on, the sink commits nothing and catches up by itself', async () => {
  const { servers, edge } = world
  await eventually(() => call<{ sources: string[] }>(edge.url, 'GET', '/api/v1/recommendations/popular'), ({ body }) => body.sources[0] === 'popular') // biome-ignore format: one line
  await servers.stop('clickhouse')
  const token = await postOne('trainer-4', 'item-05')
  const list = await world.list('trainer-4', `&after=${token}&wait=5000`)
  expect(list).toMatchObject({ degraded: false, sources: ['personal'], state: { events: 11 } })
  const popular = await call<{ items: unknown[] }>(edge.url, 'GET', '/api/v1/recommendations/popular')
  expect([popular.status, popular.body.items.length]).toEqual([200, 10])
  expect((await world.list('nobody-knows')).items).toHaveLength(5)
  const history = await call<{ code: string }>(edge.url, 'GET', '/api/v1/users/trainer-4/history')
  expect([history.status, history.body.code, history.headers.get('retry-after')]).toEqual([
    503,
    'STORE_UNAVAILABLE',
    '1',
  ])
  // Its count is kept for a while.
  const { userState } = await eventually(() => world.status(), ({ eventStore }) => eventStore === null) // biome-ignore format: one line
  expect(userState?.events).toBe(events)
  await eventually(() => world.lagOf('sink'), (lag) => lag === 1) // biome-ignore format: one line
  await eventually(() => world.complaints('sink-1', /./), (lines) => lines.length > 0) // biome-ignore format: one line
  await servers.start('clickhouse')
  await world.counted(events)
  await eventually(() => world.lagOf('sink'), (lag) => lag === 0) // biome-ignore format: one line
  expect(world.complaints('sink-1', /./)).toEqual([
    expect.stringMatching(/^the sink commits nothing and tries again: .* failed at http:\/\/127\.0\.0\.1:\d+/),
  ])
  expect(world.complaints('edge-1', /./).length).toBeLessThanOrEqual(1)
  expect(world.complaints('updater-1', /./)).toEqual([])
})

async function connected(url: string) {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  return { client, [Symbol.asyncDispose]: async () => client.destroy() }
}

test('overload: behind a log that hangs the edge refuses with 503 and Retry-After before its memory grows, and goes on afterwards', async () => {
  const { servers, edge } = world
  const memory = async () => {
    const { body } = await call<string>(edge.url, 'GET', '/metrics')
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(body)?.[1]) / 1_048_576
  }
  const context = { note: 'x'.repeat(200) }
  const batch = Array.from({ length: 1_000 }, (_, index) => ({
    ...{ userId: `flood-${index}`, itemId: 'item-01', eventId: `f${index}`, type: 'view', context },
  }))
  const body = JSON.stringify({ events: batch })
  const flood = async () => {
    const reply = await call<{ code: string }>(edge.url, 'POST', '/api/v1/events', body)
    return `${reply.status} ${reply.body.code} ${reply.headers.get('retry-after')}`
  }
  const before = await memory()
  process.kill(servers.pid('kafka'), 'SIGSTOP')
  const peaks: number[] = []
  const answers = new Map<string, number>()
  try {
    const flooding = Promise.all(Array.from({ length: FLOOD_REQUESTS }, flood))
    let over = false
    const end = () => {
      over = true
    }
    flooding.then(end, end)
    while (!over) {
      peaks.push(await memory())
      expect((await call(edge.url, 'GET', '/livez')).status).toBe(200)
      // Perhaps degraded: an edge as busy as this one may not hear from user state in time.
      expect((await world.list('trainer-1')).items).toHaveLength(5)
    }
    for (const answer of await flooding) answers.set(answer, (answers.get(answer) ?? 0) + 1)
  } finally {
    process.kill(servers.pid('kafka'), 'SIGCONT')
  }
  console.log(`${before} MiB before, ${Math.max(...peaks)} MiB at most`, answers)
  expect([...answers.keys()].sort()).toEqual(['503 LOG_UNAVAILABLE 1', '503 OVERLOADED 1'])
  expect(Math.max(...peaks) - before).toBeLessThan(GROWTH_MIB_MAX)
  expect(world.complaints('edge-1', /bytes of appends are waiting|in progress already/)).toHaveLength(1)
  const taken = await eventually(() => post({ userId: 'trainer-5', itemId: 'item-01' }), ({ status }) => status === 202, 30_000) // biome-ignore format: one line
  await eventually(() => world.list('trainer-5', `&after=${taken.body.token}&wait=5000`), ({ degraded }) => !degraded, 30_000) // biome-ignore format: one line
  await eventually(() => world.status(), ({ eventStore, userState }) => eventStore.events === userState.events, 30_000) // biome-ignore format: one line
})
