import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { encodeToken } from '../../services/edge/token.ts'
import type { EventLog } from '../../streams/event-log/port.ts'
import { call } from '../support/api.ts'
import { groupedModel, openEdge } from '../support/edge-harness.ts'
import { eventually } from '../support/eventually.ts'

const event = { userId: 'ann', itemId: 'item-1', type: 'view' }
const items = Array.from({ length: 20 }, (_, n) => ({ itemId: `item-${n}`, title: `Item ${n}`, categories: ['All'] }))
const soon = () => AbortSignal.timeout(5_000)

test('without user state lists go on, degraded and saying so; without the event store from what was popular before', async () => {
  await using edge = await openEdge()
  await edge.call('POST', '/api/v1/items', { items })
  edge.serve(
    '1',
    groupedModel(['item-1', 'item-2'], () => 0),
  )
  const { token } = (await edge.call('POST', '/api/v1/events', event)).body
  expect((await edge.call('GET', `/api/v1/recommendations/user/ann?after=${token}&wait=5000`)).body.degraded).toBe(
    false,
  )
  await eventuallyPopular(edge)

  await edge.backends.userState[Symbol.asyncDispose]()
  const blind = (await edge.call('GET', '/api/v1/recommendations/user/bob')).body
  expect(blind).toMatchObject({ degraded: true, state: null, cache: 'miss' })
  expect(blind.skipped.personal).toBe('state_unavailable')
  expect(blind.items).toHaveLength(10)
  const late = (await edge.call('GET', `/api/v1/recommendations/user/bob?after=${token}&wait=10`)).body
  expect(late).toMatchObject({ degraded: true, after: 'timeout' })

  await edge.backends.eventStore[Symbol.asyncDispose]()
  edge.advance(600_000)
  await edge.popularity.refresh(soon())
  const last = (await edge.call('GET', '/api/v1/recommendations/user/bob')).body
  expect(last).toMatchObject({ degraded: true, sources: ['static'] })
  expect(last.skipped.popular).toBe('store_unavailable')
  expect(last.items[0].itemId).toBe('item-1')
  for (const window of ['all', '7d']) {
    const popular = (await edge.call('GET', `/api/v1/recommendations/popular?window=${window}`)).body
    expect(popular).toMatchObject({ degraded: true, sources: ['static'], items: [{ itemId: 'item-1' }] })
  }
  const status = (await edge.call('GET', '/api/v1/monitoring/status')).body
  expect(status).toMatchObject({ log: { interactions: 1 }, eventStore: null, userState: null })
  expect((await edge.call('GET', '/readyz')).status).toBe(200)
})

test('while user state is being built nobody is called unknown: lists are degraded and say so', async () => {
  await using edge = await openEdge({ consumers: false })
  await edge.call('POST', '/api/v1/items', { items })
  await edge.popularity.refresh(soon())
  const { userState } = edge.backends
  for (const recipe of [null, `rebuilding ${Date.now()}`]) {
    if (recipe !== null) await userState.setRecipe(recipe, { signal: soon() })
    const { body } = await edge.call('GET', '/api/v1/recommendations/user/ann')
    expect(body).toMatchObject({ degraded: true, state: null, skipped: { personal: 'state_unavailable' } })
    expect(body.items).toHaveLength(10)
    const because = await edge.call('GET', '/api/v1/users/ann/because/item-1')
    expect([because.status, because.body.code]).toEqual([503, 'STATE_UNAVAILABLE'])
  }
  await userState.setRecipe('{}', { signal: soon() })
  const { body } = await edge.call('GET', '/api/v1/recommendations/user/ann')
  expect(body).toMatchObject({ degraded: false, skipped: { personal: 'unknown_user' } })
  expect((await edge.call('GET', '/api/v1/users/ann/because/item-1')).status).toBe(404)
})

test('without the log events are refused with 503 and Retry-After, and reading goes on', async () => {
  await using edge = await openEdge({ consumers: false })
  await edge.call('POST', '/api/v1/items', { items })
  await edge.backends.log[Symbol.asyncDispose]()
  const refused = await edge.call('POST', '/api/v1/events', event)
  expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([503, 'LOG_UNAVAILABLE', '1'])
  const { status, body } = await edge.call('GET', '/api/v1/recommendations/user/ann')
  expect([status, body.items.length]).toEqual([200, 10])
})

test('a write that nobody applies in time is answered with a late list, not an error', async () => {
  await using edge = await openEdge({ consumers: false })
  const { token } = (await edge.call('POST', '/api/v1/events', event)).body
  const { status, body } = await edge.call('GET', `/api/v1/recommendations/user/ann?after=${token}&wait=20`)
  expect([status, body.after, body.degraded]).toEqual([200, 'timeout', true])
  const future = encodeToken(edge.backends.log.id, [{ topic: 'interactions', partition: 0, offset: 1_000_000 }])
  const never = (await edge.call('GET', `/api/v1/recommendations/user/ann?after=${future}&wait=0`)).body
  expect(never.after).toBe('timeout')
})

test('more requests than may be in progress are answered 503 at once, and health still answers', async () => {
  await using edge = await openEdge({ consumers: false, requestsInFlightMax: 2 })
  const { token } = (await edge.call('POST', '/api/v1/events', event)).body
  const waiting = [1, 2].map(() => edge.call('GET', `/api/v1/recommendations/user/ann?after=${token}&wait=300`))
  const refused = await edge.call('GET', '/api/v1/recommendations/user/ann')
  expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([503, 'OVERLOADED', '1'])
  expect((await edge.call('GET', '/livez')).status).toBe(200)
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200])
  expect((await edge.call('GET', '/api/v1/recommendations/user/ann')).status).toBe(200)
})

test('writes that wait for a log that hangs leave room for reads', async () => {
  const { promise: hanging, resolve: goOn } = Promise.withResolvers<void>()
  await using edge = await openEdge({
    ...{ consumers: false, requestsInFlightMax: 4 },
    wrap: (backends) => ({ ...backends, log: appendingAfter(hanging, backends.log) }),
  })
  const waiting = [1, 2].map(() => edge.call('POST', '/api/v1/events', event))
  const refused = await edge.call('POST', '/api/v1/events', event)
  expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([503, 'OVERLOADED', '1'])
  expect((await edge.call('GET', '/api/v1/recommendations/user/ann')).status).toBe(200)
  goOn()
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([202, 202])
  expect((await edge.call('POST', '/api/v1/events', event)).status).toBe(202)
})

test('the bytes of writes in progress are bounded, however few the requests are', async () => {
  const { promise: hanging, resolve: goOn } = Promise.withResolvers<void>()
  await using edge = await openEdge({
    consumers: false,
    wrap: (backends) => ({ ...backends, log: appendingAfter(hanging, backends.log) }),
  })
  const payload = `${JSON.stringify(event)}${' '.repeat(1_000_000)}`
  const headers = { 'content-type': 'application/json' }
  const post = async () => await edge.app.inject({ method: 'POST', url: '/api/v1/events', headers, payload })
  const waiting = Array.from({ length: 80 }, post)
  const refused = await post()
  expect([refused.statusCode, refused.json().code, refused.headers['retry-after']]).toEqual([503, 'OVERLOADED', '1'])
  goOn()
  const statuses = (await Promise.all(waiting)).map(({ statusCode }) => statusCode)
  expect(statuses.filter((status) => status === 202)).toHaveLength(67)
  expect(statuses.filter((status) => status === 503)).toHaveLength(13)
  expect((await post()).statusCode).toBe(202)
})

/** The log itself, but that it takes nothing before then. */
function appendingAfter(then: Promise<void>, log: EventLog): EventLog {
  const append: EventLog['append'] = async (...given) => {
    await then
    return log.append(...given)
  }
  return new Proxy(log, {
    get(_target, name) {
      const value: unknown = name === 'append' ? append : Reflect.get(log, name, log)
      return typeof value === 'function' ? value.bind(log) : value
    },
  })
}

test('clients that leave before their answer give their places back', async () => {
  await using edge = await openEdge({ consumers: false, requestsInFlightMax: 2 })
  const { token } = (await edge.call('POST', '/api/v1/events', event)).body
  const url = await edge.app.listen({ port: 0, host: '127.0.0.1' })
  for (let round = 0; round < 3; round++) {
    const leaving = new AbortController()
    const path = `${url}/api/v1/recommendations/user/ann?after=${token}&wait=5000`
    const left = [1, 2].map(() => fetch(path, { signal: leaving.signal }).catch((error: Error) => error.name))
    await eventually(
      () => call(url, 'GET', '/api/v1/recommendations/user/ann'),
      ({ status }) => status === 503,
    )
    leaving.abort()
    expect(await Promise.all(left)).toEqual(['AbortError', 'AbortError'])
    await eventually(
      () => call(url, 'GET', '/api/v1/recommendations/user/ann'),
      ({ status }) => status === 200,
    )
  }
})

test('closing lets requests in progress finish, then closes connections that nobody uses', async () => {
  await using edge = await openEdge({ consumers: false })
  const { token } = (await edge.call('POST', '/api/v1/events', event)).body
  const url = await edge.app.listen({ port: 0, host: '127.0.0.1' })
  const unused = connect(Number(new URL(url).port), '127.0.0.1')
  await once(unused, 'connect')
  const slow = call(url, 'GET', `/api/v1/recommendations/user/ann?after=${token}&wait=2000`)
  await eventually(
    async () => (await call<string>(url, 'GET', '/metrics')).body,
    (text) => text.includes('http_requests_in_progress 2'),
  )
  const started = Date.now()
  await edge.app.close()
  expect((await slow).status).toBe(200)
  expect(Date.now() - started).toBeLessThan(5_000)
})

async function eventuallyPopular(edge: Awaited<ReturnType<typeof openEdge>>): Promise<void> {
  const end = Date.now() + 10_000
  while ((edge.popularity.current()?.length ?? 0) === 0) {
    if (Date.now() > end) throw new Error('the event never became popular')
    await edge.popularity.refresh(soon())
  }
}
