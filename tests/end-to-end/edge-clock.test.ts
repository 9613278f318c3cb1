import { expect, test } from 'vitest'
import { groupedModel, openEdge } from '../support/edge-harness.ts'
import { eventually } from '../support/eventually.ts'

const HOUR_MS = 3_600_000
const items = Array.from({ length: 12 }, (_, n) => ({ itemId: `item-${n}`, title: `Item ${n}`, categories: ['All'] }))
const idsOf = (body: { items: { itemId: string }[] }) => body.items.map(({ itemId }) => itemId)

test('a clock that is set back an hour costs nothing: events count, new items are placed, popular items are asked anew', async () => {
  await using edge = await openEdge()
  const recommend = async (query: string) =>
    (await edge.call('GET', `/api/v1/recommendations/user/ann?limit=100&wait=5000&${query}`)).body
  const popular = async () => idsOf((await edge.call('GET', '/api/v1/recommendations/popular?window=7d')).body)
  const see = async (itemId: string) =>
    (await edge.call('POST', '/api/v1/events', { userId: 'ann', itemId, type: 'view' })).body.token as string
  await edge.call('POST', '/api/v1/items', { items })
  edge.serve(
    '1',
    groupedModel(
      items.map(({ itemId }) => itemId),
      () => 0,
    ),
  )
  expect(idsOf(await recommend(`after=${await see('item-1')}`))).not.toContain('item-1')
  await eventually(
    () => edge.backends.eventStore.count({ signal: AbortSignal.timeout(5_000) }),
    (count) => count === 1,
  )
  expect(await popular()).toEqual(['item-1'])

  edge.advance(-HOUR_MS)
  await edge.call('PUT', '/api/v1/items/item-new', { title: 'New', categories: ['All'] })
  const list = await recommend(`after=${await see('item-2')}`)
  expect(idsOf(list)).not.toContain('item-2')
  expect(list.items.find(({ itemId }: { itemId: string }) => itemId === 'item-new')).toMatchObject({
    source: 'personal',
  })
  await eventually(
    () => edge.backends.eventStore.count({ signal: AbortSignal.timeout(5_000) }),
    (count) => count === 2,
  )
  expect((await popular()).sort()).toEqual(['item-1', 'item-2'])
})

test('a cached list does not outlive its time because the clock was set back', async () => {
  await using edge = await openEdge({ environment: { CACHE_TTL_SECONDS: '60' } })
  const cacheOf = async (query = '') =>
    (await edge.call('GET', `/api/v1/recommendations/user/ann?wait=5000&${query}`)).body.cache as string
  await edge.call('POST', '/api/v1/items', { items })
  edge.serve(
    '1',
    groupedModel(
      items.map(({ itemId }) => itemId),
      () => 0,
    ),
  )
  const { token } = (await edge.call('POST', '/api/v1/events', { userId: 'ann', itemId: 'item-1', type: 'view' })).body
  expect(await cacheOf(`after=${token}`)).toBe('miss')
  expect(await cacheOf()).toBe('hit')
  edge.advance(-HOUR_MS)
  expect(await cacheOf()).toBe('miss')
})
