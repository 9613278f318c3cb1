import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EdgeHarness, groupedModel, openEdge } from '../support/edge-harness.ts'
import { eventually } from '../support/eventually.ts'

let edge: EdgeHarness
const comedies = Array.from({ length: 30 }, (_, n) => `comedy-${String(n).padStart(2, '0')}`)
const dramas = Array.from({ length: 30 }, (_, n) => `drama-${String(n).padStart(2, '0')}`)
const items = [...comedies, ...dramas]
const groupOf = (itemId: string) => (itemId.startsWith('comedy') ? 0 : 1)
const recommend = (userId: string, query = '') =>
  edge.call('GET', `/api/v1/recommendations/user/${userId}?wait=5000&${query}`)
const see = async (userId: string, ...itemIds: string[]) => {
  const events = itemIds.map((itemId) => ({ userId, itemId, type: 'view' }))
  const { status, body } = await edge.call('POST', '/api/v1/events', { events })
  expect(status).toBe(202)
  return body.token as string
}
const idsOf = (body: { items: { itemId: string }[] }) => body.items.map(({ itemId }) => itemId)

beforeAll(async () => {
  edge = await openEdge()
  const described = items.map((itemId) => ({
    itemId,
    title: `The ${itemId}`,
    categories: [groupOf(itemId) === 0 ? 'Comedy' : 'Drama'],
  }))
  const { status, body } = await edge.call('POST', '/api/v1/items', { items: described })
  expect([status, body]).toEqual([202, { accepted: 60, rejected: [] }])
  edge.serve('1', groupedModel(items, groupOf))
})
afterAll(() => edge[Symbol.asyncDispose]())

test('an acknowledged event is in the very next list: not its item, but its taste, with reason and state', async () => {
  const token = await see('ann', 'comedy-03', 'comedy-04')
  const { status, body } = await recommend('ann', `after=${token}&limit=5&include=metadata`)
  expect(status).toBe(200)
  expect(body).toMatchObject({ userId: 'ann', modelVersion: '1', cache: 'miss', degraded: false, skipped: {} })
  expect(body.sources).toEqual(['personal'])
  expect(body.state.events).toBe(2)
  expect(body.state.lagMs).toBeGreaterThanOrEqual(0)
  expect(idsOf(body)).toEqual(['comedy-00', 'comedy-01', 'comedy-02', 'comedy-05', 'comedy-06'])
  expect(body.items.map(({ rank }: { rank: number }) => rank)).toEqual([1, 2, 3, 4, 5])
  expect(body.items[0]).toMatchObject({ source: 'personal', title: 'The comedy-00', categories: ['Comedy'] })
  expect(body.items[0].reason.kind).toBe('because')
  expect(['comedy-03', 'comedy-04']).toContain(body.items[0].reason.ids[0])
})

test('the second reply comes from the cache, says the same and cuts it by limit and exclusions', async () => {
  const token = await see('bea', 'comedy-10')
  const first = (await recommend('bea', `after=${token}`)).body
  const second = await eventually(
    () => recommend('bea'),
    ({ body }) => body.cache === 'hit',
  )
  const { cache, requestId, ...said } = second.body
  expect(said).toEqual({ ...said, items: first.items, state: first.state, sources: first.sources, skipped: {} })
  expect([cache, requestId === first.requestId]).toEqual(['hit', false])
  const cut = (await recommend('bea', 'limit=3&exclude=comedy-00&exclude=comedy-02')).body
  expect(cut.cache).toBe('hit')
  expect(idsOf(cut)).toEqual(['comedy-01', 'comedy-03', 'comedy-04'])
  expect(cut.items.map(({ rank }: { rank: number }) => rank)).toEqual([1, 2, 3])
})

test('a cached list is outdated by an event, by another model and by a withdrawn item', async () => {
  const warm = async () => {
    await recommend('cleo')
    return eventually(
      () => recommend('cleo'),
      ({ body }) => body.cache === 'hit',
    )
  }
  const token = await see('cleo', 'drama-20')
  await recommend('cleo', `after=${token}`)
  const { body } = await warm()
  const next = idsOf(body)[0] as string
  const again = await see('cleo', next)
  const afterEvent = (await recommend('cleo', `after=${again}`)).body
  expect([afterEvent.cache, idsOf(afterEvent).includes(next)]).toEqual(['miss', false])

  edge.serve('2', groupedModel(items, groupOf))
  const afterModel = (await recommend('cleo')).body
  expect([afterModel.cache, afterModel.modelVersion]).toEqual(['miss', '2'])

  const gone = idsOf((await warm()).body)[0] as string
  expect((await edge.call('DELETE', `/api/v1/items/${gone}`)).status).toBe(200)
  const afterWithdrawal = (await recommend('cleo')).body
  expect([afterWithdrawal.cache, idsOf(afterWithdrawal).includes(gone)]).toEqual(['miss', false])
  expect((await edge.call('GET', `/api/v1/items/${gone}`)).body.detail).toMatch(/withdrawn/)
  expect((await edge.call('GET', `/api/v1/items/${next}/similar?limit=100`)).body.items).not.toContainEqual(
    expect.objectContaining({ itemId: gone }),
  )
  await edge.call('PUT', `/api/v1/items/${gone}`, { title: `The ${gone}`, categories: ['Drama'] })
  expect(idsOf((await recommend('cleo', 'limit=100')).body)).toContain(gone)
})

test('an unknown user gets a list with its reasons, and minSource refuses it', async () => {
  await eventually(
    () => edge.backends.eventStore.count({ signal: AbortSignal.timeout(5_000) }),
    (count) => count > 0,
  )
  await edge.popularity.refresh(AbortSignal.timeout(5_000))
  const { status, body } = await recommend('nobody-yet')
  expect(status).toBe(200)
  expect(body).toMatchObject({ state: null, degraded: false, sources: ['popular', 'static'] })
  expect(body.skipped).toEqual({ personal: 'unknown_user', category: 'no_categories' })
  expect(body.items).toHaveLength(10)
  expect(body.items[0]).toMatchObject({ source: 'popular', reason: { kind: 'popular', ids: [] } })
  const refused = (await recommend('nobody-yet', 'minSource=category')).body
  expect(refused.items).toEqual([])
  expect(refused.skipped).toMatchObject({ popular: 'below_min_source', static: 'below_min_source' })
})

test('stated preferences fill the list of a user without events, in turns and with their reason', async () => {
  const put = await edge.call('PUT', '/api/v1/users/dora', { categories: ['Drama', 'Comedy'] })
  expect([put.status, put.body.categories]).toEqual([200, ['Drama', 'Comedy']])
  const { body } = await recommend('dora', 'limit=4')
  expect(body.sources).toEqual(['category'])
  expect(body.items.map(({ reason }: { reason: { ids: string[] } }) => reason.ids[0])).toEqual([
    'Drama',
    'Comedy',
    'Drama',
    'Comedy',
  ])
  expect((await edge.call('DELETE', '/api/v1/users/dora')).status).toBe(200)
  expect((await recommend('dora')).body.sources).not.toContain('category')
})

test('a category holds for every source, and includeSeen brings back what was seen', async () => {
  const token = await see('emil', 'comedy-00')
  const drama = (await recommend('emil', `after=${token}&category=Drama&limit=100`)).body
  expect(idsOf(drama).sort()).toEqual(dramas)
  expect((await recommend('emil', 'category=Nowhere')).body.items).toEqual([])
  expect(idsOf((await recommend('emil', 'includeSeen=true&limit=100')).body)).toContain('comedy-00')
  expect(idsOf((await recommend('emil', 'limit=100')).body)).not.toContain('comedy-00')
})

test('exclusions that eat most of the list still leave as many items as there are', async () => {
  const token = await see('finn', 'comedy-00')
  const exclude = items.slice(1, 51).map((itemId) => `exclude=${itemId}`)
  const { body } = await recommend('finn', `after=${token}&limit=100&${exclude.join('&')}`)
  expect(idsOf(body).sort()).toEqual(items.slice(51))
})

test('an item the model has not seen is recommended by its category as soon as it is described', async () => {
  const token = await see('gala', 'drama-01')
  await recommend('gala', `after=${token}`)
  await edge.call('PUT', '/api/v1/items/drama-new', { title: 'New', categories: ['Drama'] })
  edge.advance(2_000)
  const { body } = await recommend('gala', 'limit=100')
  const found = body.items.find(({ itemId }: { itemId: string }) => itemId === 'drama-new')
  expect(found).toMatchObject({ source: 'personal', reason: { kind: 'because', ids: ['drama-01'] } })
  expect((await edge.call('GET', '/api/v1/items/drama-new/similar?limit=3')).body.source).toBe('model')
})

test('preferences stated after a list was cached are in the next one, and forgotten as soon', async () => {
  await edge.call('PUT', '/api/v1/items/opera-1', { title: 'Opera', categories: ['Opera'] })
  edge.advance(2_000)
  const token = await see('hugo', 'drama-01')
  const operaIn = async (query: string) => {
    const { body } = await recommend('hugo', `limit=100&${query}`)
    return [body.cache, body.items.find(({ itemId }: { itemId: string }) => itemId === 'opera-1')?.source]
  }
  expect(await operaIn(`after=${token}`)).toEqual(['miss', 'static'])
  expect(
    await eventually(
      () => operaIn(''),
      ([cache]) => cache === 'hit',
    ),
  ).toEqual(['hit', 'static'])
  await edge.call('PUT', '/api/v1/users/hugo', { categories: ['Opera'] })
  expect(await operaIn('')).toEqual(['miss', 'category'])
  expect(
    await eventually(
      () => operaIn(''),
      ([cache]) => cache === 'hit',
    ),
  ).toEqual(['hit', 'category'])
  await edge.call('DELETE', '/api/v1/users/hugo')
  expect((await operaIn(''))[1]).toBe('static')
})

test('a basket of a visitor without an id is folded in, and its items are not given back', async () => {
  const { body } = await edge.call('POST', '/api/v1/recommendations/anonymous', { items: ['comedy-07'], limit: 4 })
  expect(body).toMatchObject({ userId: null, sources: ['personal'], cache: 'miss', state: null })
  expect(body.items.every(({ itemId }: { itemId: string }) => groupOf(itemId) === 0)).toBe(true)
  expect(idsOf(body)).not.toContain('comedy-07')
  const empty = (await edge.call('POST', '/api/v1/recommendations/anonymous', {})).body
  expect(empty.items).toHaveLength(10)
  expect(empty.skipped.personal).toBe('unknown_user')
})

test('an explanation adds up to the score, and names what was liked', async () => {
  const token = await see('hugo', 'comedy-01', 'drama-01')
  await recommend('hugo', `after=${token}`)
  const { status, body } = await edge.call('GET', '/api/v1/users/hugo/because/comedy-09')
  expect(status).toBe(200)
  expect(body.contributions[0]).toMatchObject({ itemId: 'comedy-01', title: 'The comedy-01' })
  const sum = body.contributions.reduce(
    (total: number, share: { contribution: number }) => total + share.contribution,
    0,
  )
  expect(sum).toBeCloseTo(body.score, 4)
})

test('Idempotency-Key gives the same ids again, and a repeated request counts once', async () => {
  const payload = { events: [0, 1].map((n) => ({ userId: 'ines', itemId: `comedy-0${n}`, type: 'click' })) }
  const post = () =>
    edge.app.inject({ method: 'POST', url: '/api/v1/events', payload, headers: { 'idempotency-key': 'order-7' } })
  expect((await post()).json().eventIds).toEqual(['order-7:0', 'order-7:1'])
  const { token } = (await post()).json()
  expect((await recommend('ines', `after=${token}`)).body.state.events).toBe(2)
})

test('history shows the stored events, newest first, and the items that count', async () => {
  const token = await see('jan', 'comedy-01', 'drama-02')
  await recommend('jan', `after=${token}`)
  const { body } = await eventually(
    () => edge.call('GET', '/api/v1/users/jan/history'),
    (answer) => answer.status === 200 && answer.body.events.length === 2,
  )
  expect(body.state.events).toBe(2)
  expect(body.items.map(({ itemId }: { itemId: string }) => itemId).sort()).toEqual(['comedy-01', 'drama-02'])
  expect(body.items[0].strength).toBeGreaterThan(0)
})

test('popular items come by window and category', async () => {
  const { body: all } = await eventually(
    async () => {
      await edge.popularity.refresh(AbortSignal.timeout(5_000))
      return edge.call('GET', '/api/v1/recommendations/popular?limit=100')
    },
    ({ body }) => body.items.length > 3,
  )
  const scores = all.items.map(({ score }: { score: number }) => score)
  expect(scores).toEqual([...scores].sort((left, right) => right - left))
  const drama = (await edge.call('GET', '/api/v1/recommendations/popular?category=Drama&window=7d')).body
  expect(drama.items.length).toBeGreaterThan(0)
  expect(idsOf(drama).every((itemId) => groupOf(itemId) === 1)).toBe(true)
})
