import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EdgeHarness, groupedModel, openEdge } from '../support/edge-harness.ts'
import { eventually } from '../support/eventually.ts'

let edge: EdgeHarness
const named = (group: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${group}-${String(n).padStart(3, '0')}`)
const items = [...named('comedy', 80), ...named('drama', 80)]
const groupOf = (itemId: string) => (itemId.startsWith('comedy') ? 0 : 1)
const idsOf = (body: { items: { itemId: string }[] }) => body.items.map(({ itemId }) => itemId)
const recommend = async (userId: string, query = '') => {
  const path = `/api/v1/recommendations/user/${encodeURIComponent(userId)}?wait=5000`
  const { status, body } = await edge.call('GET', `${path}&${query}`)
  expect(status, JSON.stringify(body)).toBe(200)
  return body
}
const see = async (userId: string, itemId: string, type = 'view') => {
  const { status, body } = await edge.call('POST', '/api/v1/events', { userId, itemId, type })
  expect(status, JSON.stringify(body)).toBe(202)
  return body.token as string
}

beforeAll(async () => {
  edge = await openEdge()
  const described = items.map((itemId) => ({ itemId, title: itemId, categories: [itemId.split('-')[0] as string] }))
  await edge.call('POST', '/api/v1/items', { items: described })
  edge.serve('1', groupedModel(items, groupOf))
})
afterAll(() => edge[Symbol.asyncDispose]())

test('exclusions that leave too few of the cached list make a longer one: as many items as are asked for', async () => {
  const token = await see('ann', 'drama-000')
  const whole = idsOf(await recommend('ann', `after=${token}&limit=100`))
  await eventually(
    () => recommend('ann'),
    ({ cache }) => cache === 'hit',
  )
  const exclude = whole.slice(0, 95)
  const list = await recommend('ann', `limit=20&${exclude.map((itemId) => `exclude=${itemId}`).join('&')}`)
  expect(list.items).toHaveLength(20)
  expect(idsOf(list).slice(0, 5)).toEqual(whole.slice(95))
  expect(idsOf(list).filter((itemId) => exclude.includes(itemId) || itemId === 'drama-000')).toEqual([])
})

test('a user with nothing but dislikes, or nothing but unknown items, gets a list of the next source', async () => {
  for (const [userId, itemId, type] of [
    ['bea', 'comedy-001', 'dislike'],
    ['bo', 'never-described', 'view'],
  ] as const) {
    const list = await recommend(userId, `after=${await see(userId, itemId, type)}`)
    expect(list.skipped.personal).toBe('no_signal')
    expect(list.sources).not.toContain('personal')
    expect(list.items).toHaveLength(10)
    expect(idsOf(list)).not.toContain(itemId)
  }
})

test('factors that belong to another model are not used with this one', async () => {
  const token = await see('cora', 'drama-001')
  expect(idsOf(await recommend('cora', `after=${token}`))[0]).toBe('drama-000')
  // An updater that is a second behind stores none: it is given another event then.
  await eventually(
    async () => {
      await recommend('cora', `after=${await see('cora', 'drama-001')}`)
      return await edge.backends.userState.get('cora', { signal: AbortSignal.timeout(5_000) })
    },
    (record) => record?.factors?.modelVersion === '1',
  )
  edge.serve(
    '2',
    groupedModel(items, (itemId) => 2 + groupOf(itemId)),
  )
  const list = await recommend('cora')
  expect(list).toMatchObject({ modelVersion: '2', sources: ['personal'] })
  expect(idsOf(list).every((itemId) => itemId.startsWith('drama'))).toBe(true)
  edge.serve('1', groupedModel(items, groupOf))
})

test('until a new item is placed no list is cached, and then it is in the list', async () => {
  using _stopped = edge.stopClock()
  edge.advance(10_000)
  await recommend('dan', `after=${await see('dan', 'drama-002')}`)
  await edge.call('PUT', '/api/v1/items/drama-new', { title: 'New', categories: ['drama'] })
  for (let reads = 0; reads < 3; reads++) expect((await recommend('dan')).cache).toBe('miss')
  edge.advance(2_000)
  expect(idsOf(await recommend('dan', 'limit=100'))).toContain('drama-new')
})

test('an event on an item that only the catalogue knows counts, and harms neither updater nor edge', async () => {
  edge.advance(2_000)
  await edge.call('PUT', '/api/v1/items/comedy-new', { title: 'New', categories: ['comedy'] })
  edge.advance(2_000)
  await recommend('eve')
  const alone = await recommend('eve', `after=${await see('eve', 'comedy-new')}`)
  expect([alone.state.events, alone.skipped.personal]).toEqual([1, 'no_signal'])
  const both = await recommend('eve', `limit=100&after=${await see('eve', 'comedy-003')}`)
  expect([both.state.events, both.sources[0]]).toEqual([2, 'personal'])
  expect(idsOf(both)).not.toContain('comedy-new')
})

test('a withdrawn item is in no list of any source, in the very next reply', async () => {
  await eventually(
    () => edge.backends.eventStore.count({ signal: AbortSignal.timeout(5_000) }),
    (count) => count > 0,
  )
  await edge.popularity.refresh(AbortSignal.timeout(5_000))
  await edge.call('PUT', '/api/v1/users/fay', { categories: ['drama'] })
  const lists = async () => [
    await recommend('nobody', 'limit=100'),
    await recommend('fay', 'limit=100'),
    await recommend('nobody', 'limit=100&category=drama'),
    (await edge.call('GET', '/api/v1/recommendations/popular?limit=100')).body,
    (await edge.call('GET', '/api/v1/recommendations/popular?limit=100&window=7d')).body,
    (await edge.call('POST', '/api/v1/recommendations/anonymous', { items: ['drama-005'], limit: 100 })).body,
    (await edge.call('GET', '/api/v1/items/drama-005/similar?limit=100')).body,
  ]
  const before = (await lists()).filter((list) => idsOf(list).includes('drama-000')).length
  expect(before).toBeGreaterThanOrEqual(5)
  expect((await edge.call('DELETE', '/api/v1/items/drama-000')).status).toBe(200)
  for (const list of await lists()) expect(idsOf(list)).not.toContain('drama-000')
})

test.each(['a%2Fb', '100%', 'a/b?c#d', '__proto__', 'constructor', 'toString', '"quoted\\'])(
  'an id like %s is an id like any other: user, item, event and history',
  async (id) => {
    const event = { userId: id, itemId: id, eventId: id, type: 'view' }
    const { status, body } = await edge.call('POST', '/api/v1/events', event)
    expect([status, body.eventIds]).toEqual([202, [id]])
    const path = encodeURIComponent(id)
    const again = await edge.call('GET', `/api/v1/recommendations/user/${path}?after=${body.token}&wait=5000`)
    expect([again.status, again.body.userId, again.body.state?.events]).toEqual([200, id, 1])
    expect(idsOf(again.body)).not.toContain(id)
    const put = await edge.call('PUT', `/api/v1/items/${path}`, { title: id, categories: [id] })
    expect([put.status, put.body.itemId]).toEqual([200, id])
    expect((await edge.call('GET', `/api/v1/items/${path}`)).body.categories).toEqual([id])
    const listed = await recommend('stranger', `category=${encodeURIComponent(id)}`)
    expect(listed.items.map(({ itemId, reason }: never) => [itemId, reason])).toEqual([
      [id, { kind: 'category', ids: [id] }],
    ])
    const history = await eventually(
      () => edge.call('GET', `/api/v1/users/${path}/history`),
      (reply) => reply.body.events?.length === 1,
    )
    expect(history.body.items[0].itemId).toBe(id)
    await edge.call('DELETE', `/api/v1/items/${path}`)
  },
)

test('an event type named like a property of every object is unknown, not found', async () => {
  for (const type of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    const { status, body } = await edge.call('POST', '/api/v1/events', { userId: 'u', itemId: 'i', type })
    expect([type, status]).toEqual([type, 400])
    expect(['UNKNOWN_EVENT_TYPE', 'INVALID_EVENT']).toContain(body.code)
  }
})
