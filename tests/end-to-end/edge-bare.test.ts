import { expect, test } from 'vitest'
import { groupedModel, openEdge } from '../support/edge-harness.ts'

const itemIds = Array.from({ length: 12 }, (_, n) => `item-${String(n).padStart(2, '0')}`)

test('with a model and nothing else an unknown visitor still gets a list: what the model knows', async () => {
  await using edge = await openEdge({ consumers: false })
  edge.serve(
    '1',
    groupedModel(itemIds, () => 0),
  )
  await edge.backends.eventStore[Symbol.asyncDispose]()
  const { body } = await edge.call('GET', '/api/v1/recommendations/user/ann?exclude=item-03')
  expect(body).toMatchObject({ degraded: true, sources: ['static'], skipped: { popular: 'store_unavailable' } })
  expect(body.items).toHaveLength(10)
  expect(body.items.map(({ itemId }: { itemId: string }) => itemId)).not.toContain('item-03')
  const anonymous = (await edge.call('POST', '/api/v1/recommendations/anonymous', { limit: 100 })).body
  expect(anonymous.items).toHaveLength(12)
  await edge.call('DELETE', '/api/v1/items/item-00')
  expect((await edge.call('GET', '/api/v1/recommendations/user/ann?limit=100')).body.items).toHaveLength(11)
})

test('popular items without an event store that ever answered are those of the catalogue, by category too', async () => {
  await using edge = await openEdge({ consumers: false })
  const items = itemIds.map((itemId, n) => ({ itemId, categories: [n % 2 === 0 ? 'even' : 'odd'] }))
  await edge.call('POST', '/api/v1/items', { items })
  await edge.backends.eventStore[Symbol.asyncDispose]()
  const { body } = await edge.call('GET', '/api/v1/recommendations/popular?category=odd&limit=100')
  expect(body).toMatchObject({ degraded: true, sources: ['static'] })
  expect(body.items).toHaveLength(6)
})
