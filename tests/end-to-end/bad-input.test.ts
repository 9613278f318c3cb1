import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeToken } from '../../services/edge/token.ts'
import { type EdgeHarness, openEdge } from '../support/edge-harness.ts'

let edge: EdgeHarness
let port: number
beforeAll(async () => {
  edge = await openEdge()
  await edge.app.listen({ port: 0, host: '127.0.0.1' })
  port = (edge.app.server.address() as AddressInfo).port
})
afterAll(() => edge[Symbol.asyncDispose]())

const event = { userId: 'u', itemId: 'i', type: 'view' }
const withField = (fields: object) => JSON.stringify({ ...event, ...fields })
const long = 'x'.repeat(10_240)
const API = '/api/v1'
const EVENTS = `POST ${API}/events`
const LIST = `GET ${API}/recommendations/user/u`

interface Case {
  readonly name: string
  readonly route: string
  readonly body?: string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
  readonly code: string
  readonly field?: string
}

const bad = (name: string, body: string, field: string | undefined, code = 'INVALID_EVENT', status = 400): Case => ({
  ...{ name, route: EVENTS, body, status, code },
  ...(field === undefined ? {} : { field }),
})
const query = (name: string, text: string, field: string, code = 'INVALID_REQUEST'): Case => ({
  ...{ name, route: `${LIST}?${text}`, status: 400, code, field },
})

const cases: readonly Case[] = [
  bad('malformed JSON', '{"userId": "u", ', undefined, 'INVALID_REQUEST'),
  bad('an empty body', '', undefined, 'INVALID_REQUEST'),
  bad('JSON null', 'null', undefined, 'INVALID_REQUEST'),
  bad('a list as body', '[]', undefined, 'INVALID_REQUEST'),
  bad('NaN, which JSON lacks', '{"userId":"u","itemId":"i","type":"view","value":NaN}', undefined, 'INVALID_REQUEST'),
  bad('a prototype in the body', '{"__proto__":{"x":1}}', undefined, 'INVALID_REQUEST'),
  bad('an infinite value', '{"userId":"u","itemId":"i","type":"view","value":1e999}', 'value'),
  bad('a value of the wrong type', withField({ value: '3' }), 'value'),
  bad('an item id of the wrong type', withField({ itemId: 7 }), 'itemId'),
  bad('a missing field', JSON.stringify({ userId: 'u', type: 'view' }), 'itemId'),
  bad('an unknown field', withField({ colour: 'red' }), 'colour'),
  bad('an empty id', withField({ userId: '' }), 'userId'),
  bad('an id of 10 kB', withField({ userId: long }), 'userId'),
  bad('a control character in an id', withField({ itemId: 'a\u0007b' }), 'itemId'),
  bad('a space in an event id', withField({ eventId: 'a b' }), 'eventId'),
  bad('a time of 1970', withField({ timestamp: '1970-01-02T00:00:00Z' }), 'timestamp', 'TIMESTAMP_OUT_OF_RANGE'),
  bad('a time of 2999', withField({ timestamp: '2999-01-01T00:00:00Z' }), 'timestamp', 'TIMESTAMP_OUT_OF_RANGE'),
  bad('a time without a zone', withField({ timestamp: '2026-01-01T00:00:00' }), 'timestamp'),
  bad('a leap second that no clock has', withField({ timestamp: '2016-12-31T23:59:60Z' }), 'timestamp'),
  bad('a time as a number', withField({ timestamp: 1_767_225_600_000 }), 'timestamp'),
  bad('an unknown event type', withField({ type: 'glance' }), 'type', 'UNKNOWN_EVENT_TYPE'),
  bad('an inherited name as event type', withField({ type: 'constructor' }), 'type', 'UNKNOWN_EVENT_TYPE'),
  bad('a retract', withField({ operation: 'retract' }), 'operation', 'OPERATION_NOT_SUPPORTED'),
  bad('a context value of the wrong type', withField({ context: { page: 1 } }), 'context.page'),
  bad('an empty batch', '{"events":[]}', 'events', 'INVALID_REQUEST'),
  bad('a batch that is no list', '{"events":{}}', 'events', 'INVALID_REQUEST'),
  bad('a field beside a batch', '{"events":[{}],"userId":"u"}', 'userId', 'INVALID_REQUEST'),
  bad('1,001 events', JSON.stringify({ events: Array(1_001).fill(event) }), 'events', 'TOO_MANY_EVENTS'),
  bad(
    'a batch without one good event',
    JSON.stringify({ events: [{ ...event, type: 'x' }] }),
    'type',
    'UNKNOWN_EVENT_TYPE',
  ),
  bad('10 MB', JSON.stringify({ events: 'x'.repeat(10 * 2 ** 20) }), undefined, 'PAYLOAD_TOO_LARGE', 413),
  {
    ...bad('form data', 'userId=u', undefined, 'UNSUPPORTED_MEDIA_TYPE', 415),
    type: 'application/x-www-form-urlencoded',
  },
  { ...bad('plain text', withField({}), undefined, 'UNSUPPORTED_MEDIA_TYPE', 415), type: 'text/plain' },
  {
    ...bad('an idempotency key with a space', withField({}), 'Idempotency-Key', 'INVALID_REQUEST'),
    headers: { 'idempotency-key': 'a b' },
  },
  query('limit 0', 'limit=0', 'limit'),
  query('limit 10^9', 'limit=1000000000', 'limit'),
  query('a limit that is no number', 'limit=ten', 'limit'),
  query('an infinite limit', 'limit=1e999', 'limit'),
  query('an unknown parameter', 'colour=red', 'colour'),
  query('an unknown source', 'minSource=oracle', 'minSource'),
  query('an empty category', 'category=', 'category'),
  query('an excluded id with a space', 'exclude=a%20b', 'exclude.0'),
  query('a wait beyond the largest', 'wait=5001', 'wait'),
  query('a flag that is no flag', 'includeSeen=perhaps', 'includeSeen'),
  query('a malformed token', 'after=AAAA', 'after', 'INVALID_TOKEN'),
  query(
    'a foreign token',
    `after=${encodeToken('elsewhere', [{ topic: 'interactions', partition: 0, offset: 0 }])}`,
    'after',
    'INVALID_TOKEN',
  ),
  {
    name: 'a user id of 10 kB',
    route: `GET ${API}/recommendations/user/${long}`,
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'id',
  },
  {
    name: 'a control character in a path',
    route: `GET ${API}/recommendations/user/a%07b`,
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'id',
  },
  {
    name: 'a broken escape in a path',
    route: `GET ${API}/recommendations/user/%zz`,
    status: 400,
    code: 'INVALID_REQUEST',
  },
  {
    name: 'an unknown window',
    route: `GET ${API}/recommendations/popular?window=2d`,
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'window',
  },
  {
    name: 'a basket with a bad id',
    route: `POST ${API}/recommendations/anonymous`,
    body: '{"items":["a b"]}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'items.0',
  },
  {
    name: 'an unknown field beside a basket',
    route: `POST ${API}/recommendations/anonymous`,
    body: '{"basket":[]}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'basket',
  },
  {
    name: 'a limit as text in a body',
    route: `POST ${API}/recommendations/anonymous`,
    body: '{"limit":"5"}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'limit',
  },
  { name: 'an unknown item', route: `GET ${API}/items/nobody`, status: 404, code: 'ITEM_NOT_FOUND', field: 'id' },
  {
    name: 'items like an unknown one',
    route: `GET ${API}/items/nobody/similar`,
    status: 404,
    code: 'ITEM_NOT_FOUND',
    field: 'id',
  },
  {
    name: 'an item with an unknown field',
    route: `PUT ${API}/items/i`,
    body: '{"colour":"red"}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'colour',
  },
  {
    name: 'a title of the wrong type',
    route: `PUT ${API}/items/i`,
    body: '{"title":5}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'title',
  },
  {
    name: 'an item larger than a record',
    route: `PUT ${API}/items/i`,
    body: JSON.stringify({
      attributes: Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`k${n}`, 'é'.repeat(1_024)])),
    }),
    status: 413,
    code: 'PAYLOAD_TOO_LARGE',
  },
  {
    name: 'a bulk of nothing',
    route: `POST ${API}/items`,
    body: '{"items":[]}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'items',
  },
  {
    name: 'a bulk without one good item',
    route: `POST ${API}/items`,
    body: '{"items":[{"title":"x"}]}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'itemId',
  },
  {
    name: "an unknown user's preferences",
    route: `GET ${API}/users/nobody`,
    status: 404,
    code: 'USER_NOT_FOUND',
    field: 'id',
  },
  {
    name: "an unknown user's history",
    route: `GET ${API}/users/nobody/history`,
    status: 404,
    code: 'USER_NOT_FOUND',
    field: 'id',
  },
  {
    name: 'a reason for an unknown user',
    route: `GET ${API}/users/nobody/because/i`,
    status: 404,
    code: 'USER_NOT_FOUND',
    field: 'id',
  },
  {
    name: 'an unknown run',
    route: `GET ${API}/training/runs/nothing`,
    status: 404,
    code: 'RUN_NOT_FOUND',
    field: 'id',
  },
  {
    name: "an unknown run's evaluation",
    route: `GET ${API}/training/evaluate/nothing`,
    status: 404,
    code: 'RUN_NOT_FOUND',
    field: 'run',
  },
  {
    name: 'another kind of model',
    route: `POST ${API}/training/train`,
    body: '{"model_type":"oracle"}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'model_type',
  },
  {
    name: 'an unknown hyper-parameter',
    route: `POST ${API}/training/train`,
    body: '{"parameters":{"magic":1}}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'parameters.magic',
  },
  {
    name: 'too many factors',
    route: `POST ${API}/training/train`,
    body: '{"parameters":{"factors":100000}}',
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'parameters.factors',
  },
  {
    name: 'an unknown model',
    route: `POST ${API}/models/77/promote`,
    status: 404,
    code: 'MODEL_NOT_FOUND',
    field: 'version',
  },
  {
    name: 'a version that is no number',
    route: `POST ${API}/models/latest/promote`,
    status: 400,
    code: 'INVALID_REQUEST',
    field: 'version',
  },
  { name: 'a rollback without history', route: `POST ${API}/models/rollback`, status: 409, code: 'CONFLICT' },
  { name: 'an unknown route', route: `GET ${API}/nothing`, status: 404, code: 'ROUTE_NOT_FOUND' },
  { name: 'a known path with another method', route: `PATCH ${API}/events`, status: 404, code: 'ROUTE_NOT_FOUND' },
]

test.each(cases)('$name is refused: $code', async (given) => {
  const { status, type, problem } = await send(given)
  expect(type).toBe('application/problem+json; charset=utf-8')
  expect({ status, code: problem.code, field: problem.field }).toEqual({
    ...{ status: given.status, code: given.code, field: given.field },
  })
  expect(problem).toMatchObject({ type: 'about:blank', status: given.status })
  expect(problem.title.length * problem.detail.length * problem.instance.length).toBeGreaterThan(0)
  expect(problem.detail.length).toBeLessThan(1_000)
})

test('after all of that nothing is stored and the process answers', async () => {
  for (const given of cases) await send(given)
  const { status, body } = await edge.call('GET', `${API}/monitoring/status`)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    log: { interactions: 0 },
    eventStore: { events: 0 },
    userState: { users: 0 },
    deadLetters: 0,
  })
  expect(body.catalogue.items).toBe(0)
  expect((await edge.call('GET', `${API}/training/runs`)).body.runs).toEqual([])
  expect((await edge.call('GET', '/livez')).status).toBe(200)
})

test('a bad event costs only itself: the others of its batch are accepted and counted', async () => {
  const events = [event, { ...event, type: 'glance' }, { ...event, colour: 1 }, 7, { ...event, eventId: 'mine' }]
  const { status, body } = await edge.call('POST', `${API}/events`, { events })
  expect(status).toBe(202)
  expect(body.accepted).toBe(2)
  expect(body.eventIds).toEqual([expect.any(String), null, null, null, 'mine'])
  expect(body.rejected.map(({ index, code, field }: Record<string, unknown>) => [index, code, field])).toEqual([
    [1, 'UNKNOWN_EVENT_TYPE', 'type'],
    [2, 'INVALID_EVENT', 'colour'],
    [3, 'INVALID_EVENT', null],
  ])
})

interface Sent {
  readonly status: number
  readonly type: string | undefined
  readonly problem: Record<'type' | 'title' | 'detail' | 'code' | 'field' | 'instance', string>
}

/** Over a real socket, as a broken path never leaves a well-meaning client. */
function send({ route, body, type, headers }: Case): Promise<Sent> {
  const [method, path] = route.split(' ') as [string, string]
  const content = body === undefined ? {} : { 'content-type': type ?? 'application/json' }
  return new Promise((resolve, reject) => {
    const sending = request({ port, method, path, host: '127.0.0.1', headers: { ...content, ...headers } }, (reply) => {
      let text = ''
      reply.setEncoding('utf8')
      reply.on('data', (part: string) => {
        text += part
      })
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, type: reply.headers['content-type'], problem: JSON.parse(text) }),
      )
    })
    // A server that refuses a body while it is still coming may close the connection.
    sending.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error)
    })
    sending.end(body)
  })
}
