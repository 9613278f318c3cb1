import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EdgeHarness, groupedModel, openEdge } from '../support/edge-harness.ts'

let edge: EdgeHarness
const comedies = Array.from({ length: 30 }, (_, n) => `comedy-${String(n).padStart(2, '0')}`)
const dramas = Array.from({ length: 30 }, (_, n) => `drama-${String(n).padStart(2, '0')}`)
const items = [...comedies, ...dramas]
const groupOf = (itemId: string) => (itemId.startsWith('comedy') ? 0 : 1)
const recommend = (userId: string, query = '') => edge.call('GET', `/api/v1/recommendations/user/${userId}?${query}`)
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
