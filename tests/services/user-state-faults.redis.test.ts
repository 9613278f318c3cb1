import { createClient } from 'redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EMPTY_USER, type UserRecord } from '../../schemas/user-record.ts'
import type { CachedList } from '../../stores/user-state/port.ts'
import { openRedisUserState, type RedisUserState } from '../../stores/user-state/redis/user-state.ts'
import { eventually } from '../support/eventually.ts'
import { startCutProxy } from './cut-proxy.ts'
import { type PrivateServices, startPrivateServices } from './private-services.ts'

const { signal } = new AbortController()
const versions = { modelVersion: '3', catalogueRevision: 'c1' }
const listOf = (userRevision: number): CachedList => ({ userRevision, ...versions, body: `list ${userRevision}` })
const user = (revision: number, events = revision): UserRecord => ({ ...EMPTY_USER, revision, events })
const swapTo = (userId: string, next: UserRecord) => [{ userId, expectedRevision: next.revision - 1, next }]

let services: PrivateServices
let admin: ReturnType<typeof createClient>
let count = 0

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

/** A user state under a prefix of its own, and the lines it gave for the log. */
async function openState(
  url = services.url('redis'),
  prefix = `fault-${count++}`,
): Promise<RedisUserState & { readonly lines: string[] }> {
  const lines: string[] = []
  const options = { listEntriesMax: 1_000, now: () => Date.now(), warn: (line: string) => void lines.push(line) }
  return Object.assign(await openRedisUserState(`${url}?prefix=${prefix}`, options), { lines })
}

/** Stores a list and reads it until this process serves it by itself. */
async function keepLocally(state: RedisUserState, userId: string, revision: number): Promise<void> {
  expect(await state.putList(userId, 'home', listOf(revision), { ttlMs: 60_000 })).toBe(true)
  const { local } = state.listReads
  await eventually(
    () => state.getList(userId, 'home', versions),
    (list) => list !== null && state.listReads.local > local,
  )
}

test('a server that is not there and a wrong password are one line that names the setting and no secret', async () => {
  const unreachable = openState('redis://someone:s3cret@127.0.0.1:1')
  await expect(unreachable).rejects.toMatchObject({
    code: 'STATE_UNAVAILABLE',
    message: 'USER_STATE_URL redis://127.0.0.1:1 does not answer (ECONNREFUSED)',
  })
  const wrong = openState(services.url('redis').replace('//', '//someone:s3cret@'))
  const refusal = await wrong.catch((error: Error & { code: string }) => error)
  expect(refusal).toMatchObject({ code: 'STATE_UNAVAILABLE' })
  expect(String((refusal as Error).message)).toMatch(
    /^USER_STATE_URL redis:\/\/127\.0\.0\.1:\d+ refuses the user name or password \(WRONGPASS\)$/,
  )
  for (const url of [
    'redis://',
    'redis://127.0.0.1/x',
    'redis://127.0.0.1/0?prefx=a',
    'redis://:s3cret@h?ca=/missing',
  ]) {
    await expect(openRedisUserState(url, { listEntriesMax: 1, now: Date.now, warn: () => {} })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^USER_STATE_URL (?!.*s3cret)/),
    })
  }
})

test('settings of the server that break promises are told at start, each by its name', async () => {
  await using fit = await openState()
  expect(fit.lines).toEqual([])
  await admin.configSet('maxmemory-policy', 'allkeys-lru')
  await admin.configSet('appendfsync', 'no')
  await using unfit = await openState()
  await admin.configSet('appendonly', 'no')
  await using worse = await openState()
  await admin.configSet({ 'maxmemory-policy': 'volatile-ttl', appendfsync: 'everysec', appendonly: 'yes' })
  // As long as it begins its file anew, the server does not end when it is asked to.
  await eventually(() => admin.info('persistence'), (info) => info.includes('aof_rewrite_in_progress:0')) // biome-ignore format: one line
  expect(unfit.lines).toEqual([
    expect.stringContaining('maxmemory-policy allkeys-lru'),
    expect.stringContaining('appendfsync no'),
  ])
  expect(worse.lines[1]).toContain('appendonly no')
})

test('a stopped server fails calls at once and comes back by itself, with everything it had', async () => {
  await using state = await openState()
  await state.swap(swapTo('u', user(1)), { signal })
  await state.setApplied(new Map([['t/0', 5]]), { signal })
  const generation = await state.generation({ signal })
  await services.stop('redis')
  const begun = performance.now()
  for (let call = 0; call < 20; call++) {
    await expect(state.get('u', { signal })).rejects.toMatchObject({ code: 'STATE_UNAVAILABLE' })
    await expect(state.getList('u', 'home', versions)).rejects.toMatchObject({ code: 'STATE_UNAVAILABLE' })
    await expect(state.swap(swapTo('u', user(2)), { signal })).rejects.toMatchObject({ code: 'STATE_UNAVAILABLE' })
    await expect(state.waitApplied(new Map([['t/0', 9]]), { timeoutMs: 60_000, signal })).rejects.toMatchObject({
      code: 'STATE_UNAVAILABLE',
    })
  }
  expect(performance.now() - begun).toBeLessThan(1_000)
  await services.start('redis')
  await eventually(
    () => state.swap(swapTo('u', user(2)), { signal, generation }).catch(() => [false]),
    ([took]) => took === true,
  )
  await eventually(
    () => state.waitApplied(new Map([['t/0', 5]]), { timeoutMs: 0, signal }).catch(() => false),
    (reached) => reached,
  )
  expect(await state.totals({ signal })).toEqual({ users: 1, events: 2 })
  expect(state.lines).toHaveLength(2)
  expect(state.lines[0]).toMatch(/^USER_STATE_URL redis:\/\/127\.0\.0\.1:\d+ does not answer/)
  expect(state.lines[1]).toContain('answers again')
})

test('a server that hangs fails calls within their time, and no list is served from memory meanwhile', async () => {
  await using state = await openState()
  await state.swap(swapTo('u', user(1)), { signal })
  await keepLocally(state, 'u', 1)
  process.kill(services.pid('redis'), 'SIGSTOP')
  try {
    const begun = performance.now()
    await eventually(
      () => state.getList('u', 'home', versions).catch((error: { code: string }) => error.code),
      (answer) => answer === 'STATE_UNAVAILABLE',
    )
    await expect(state.get('u', { signal })).rejects.toMatchObject({ code: 'STATE_UNAVAILABLE' })
    expect(performance.now() - begun).toBeLessThan(6_000)
  } finally {
    process.kill(services.pid('redis'), 'SIGCONT')
  }
  await eventually(
    () => state.get('u', { signal }).catch(() => null),
    (record) => record?.revision === 1,
  )
})

test('after FLUSHALL the state is empty under another generation, for every process, at once', async () => {
  const prefix = `fault-${count++}`
  await using state = await openState(services.url('redis'), prefix)
  await using other = await openState(services.url('redis'), prefix)
  await state.swap(swapTo('u', user(1)), { signal })
  await state.setApplied(new Map([['t/0', 5]]), { signal })
  await keepLocally(other, 'u', 1)
  expect(await other.waitApplied(new Map([['t/0', 5]]), { timeoutMs: 10_000, signal })).toBe(true)
  const generation = await state.generation({ signal })
  await admin.flushAll()
  expect((await state.applied({ signal })).size).toBe(0)
  await expect(state.swap(swapTo('u', user(2)), { signal, generation })).rejects.toMatchObject({
    code: 'STATE_UNAVAILABLE',
    message: expect.stringContaining('emptied'),
  })
  expect(await state.generation({ signal })).toBeGreaterThan(generation)
  expect(await state.totals({ signal })).toEqual({ users: 0, events: 0 })
  expect(await other.waitApplied(new Map([['t/0', 5]]), { timeoutMs: 100, signal })).toBe(false)
  expect(await other.getList('u', 'home', versions)).toBeNull()
  expect(await other.get('u', { signal })).toBeNull()
})

test('a clear by one process ends what another one holds', async () => {
  const prefix = `fault-${count++}`
  await using state = await openState(services.url('redis'), prefix)
  await using other = await openState(services.url('redis'), prefix)
  await state.swap(swapTo('u', user(1)), { signal })
  await keepLocally(other, 'u', 1)
  const begun = await state.clear({ signal })
  await eventually(
    () => other.getList('u', 'home', versions),
    (list) => list === null,
  )
  expect(await other.get('u', { signal })).toBeNull()
  expect(await other.generation({ signal })).toBe(begun)
  expect((await admin.keys(`{${prefix}.*}:*:users`)).length).toBe(0)
})

test('a list that another process has outdated is never served once the write is known to be applied', async () => {
  const prefix = `fault-${count++}`
  await using edge = await openState(services.url('redis'), prefix)
  await using updater = await openState(services.url('redis'), prefix)
  const delays: number[] = []
  for (let revision = 1; revision <= 300; revision++) {
    await updater.swap(swapTo('u', user(revision)), { signal })
    await updater.setApplied(new Map([['t/0', revision]]), { signal })
    expect(await edge.waitApplied(new Map([['t/0', revision]]), { timeoutMs: 5_000, signal })).toBe(true)
    expect(await edge.getList('u', 'home', versions)).toBeNull()
    expect(await edge.putList('u', 'home', listOf(revision), { ttlMs: 60_000 })).toBe(true)
    expect(await edge.getList('u', 'home', versions)).toEqual(listOf(revision))
    const waiting = edge.waitApplied(new Map([['t/0', revision + 0.5]]), { timeoutMs: 5_000, signal })
    const begun = performance.now()
    await updater.setApplied(new Map([['t/0', revision + 0.5]]), { signal })
    await waiting
    delays.push(performance.now() - begun)
  }
  delays.sort((left, right) => left - right)
  console.info(`applied to woken: p50 ${delays[150]?.toFixed(2)} ms, p99 ${delays[297]?.toFixed(2)} ms`)
  // Told, not found at the next beat of 20 ms; what a busy machine adds to the slowest says nothing of that.
  expect(delays[150]).toBeLessThan(10)
})

test('with its connection goes every list a process holds: one that was outdated meanwhile is not served', async () => {
  await using proxy = await startCutProxy(services.url('redis'))
  const prefix = `fault-${count++}`
  await using edge = await openState(`redis://127.0.0.1:${proxy.port}`, prefix)
  await using updater = await openState(services.url('redis'), prefix)
  for (let round = 0; round < 4; round++) {
    const userId = `u${round}`
    // Both of its connections are back.
    await eventually(
      () => Promise.all([edge.get(userId, { signal }), edge.getList(userId, 'home', versions)]).catch(() => null),
      (found) => found?.[1] === null,
    )
    await updater.swap(swapTo(userId, user(1)), { signal })
    await keepLocally(edge, userId, 1)
    if (round % 2 === 0) proxy.swallowAnswers()
    else proxy.cut()
    await updater.swap(swapTo(userId, user(2)), { signal })
    const outdatedAt = performance.now()
    let servedLate = 0
    await eventually(
      async () => {
        const ageMs = performance.now() - outdatedAt
        const list = await edge.getList(userId, 'home', versions).catch(() => 'unavailable' as const)
        if (list !== null && list !== 'unavailable' && ageMs > 150) servedLate++
        if (performance.now() - outdatedAt > 300) proxy.cut()
        return list
      },
      (list) => list === null,
    )
    expect(servedLate).toBe(0)
  }
})

test('a swap whose answer was lost counts once, also when it is tried again', async () => {
  await using proxy = await startCutProxy(services.url('redis'))
  const prefix = `fault-${count++}`
  await using state = await openState(`redis://127.0.0.1:${proxy.port}`, prefix)
  await using beside = await openState(services.url('redis'), prefix)
  await state.swap(swapTo('u', user(1)), { signal })
  for (let revision = 2; revision <= 5; revision++) {
    proxy.swallowAnswers()
    const lost = state.swap(swapTo('u', user(revision)), { signal })
    const failed = expect(lost).rejects.toMatchObject({ code: 'STATE_UNAVAILABLE' })
    await eventually(() => beside.get('u', { signal }), (record) => record?.revision === revision) // biome-ignore format: one line
    proxy.cut()
    await failed
    const record = await eventually(
      () => state.get('u', { signal }).catch(() => null),
      (found) => found !== null,
    )
    expect(record?.revision).toBe(revision)
    expect(await state.swap(swapTo('u', user(revision)), { signal })).toEqual([false])
    expect(await state.totals({ signal })).toEqual({ users: 1, events: revision })
  }
})

test('a server without memory refuses writes by the name of its setting and nothing is counted', async () => {
  await using state = await openState()
  await state.swap(swapTo('u', user(1)), { signal })
  await admin.configSet({ maxmemory: '1', 'maxmemory-policy': 'noeviction' })
  const refused = state.swap(swapTo('v', user(1)), { signal })
  await expect(refused).rejects.toMatchObject({
    code: 'STATE_UNAVAILABLE',
    message: expect.stringContaining('maxmemory'),
  })
  await admin.configSet({ maxmemory: '0', 'maxmemory-policy': 'volatile-ttl' })
  expect(await state.totals({ signal })).toEqual({ users: 1, events: 1 })
  expect(await state.swap(swapTo('v', user(1)), { signal })).toEqual([true])
})

test('scripts that the server has forgotten are sent again', async () => {
  await using state = await openState()
  await admin.scriptFlush()
  expect(await state.swap(swapTo('u', user(1)), { signal })).toEqual([true])
  expect(await state.putList('u', 'home', listOf(1), { ttlMs: 1_000 })).toBe(true)
})

test('only lists have a time to live, so that no policy for volatile keys takes users', async () => {
  const prefix = `fault-${count++}`
  await using state = await openState(services.url('redis'), prefix)
  await state.swap(swapTo('u', user(1)), { signal })
  await state.setApplied(new Map([['t/0', 1]]), { signal })
  await state.setRecipe('r', { signal })
  await state.putList('u', 'home', listOf(1), { ttlMs: 60_000 })
  const keys = await admin.keys(`{${prefix}*`)
  const mortal = []
  for (const key of keys) if ((await admin.pTTL(key)) !== -1) mortal.push(key)
  expect(keys.length).toBeGreaterThanOrEqual(4)
  expect(mortal).toEqual([expect.stringContaining(':lists:u')])
})
