import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Accepted, call, type Recommendations, type Status } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { runningMillrace } from '../support/running.ts'
import { CAMP_ITEMS, postCamps, trainOnCamps } from '../support/trained.ts'

type Running = Awaited<ReturnType<typeof runningMillrace>>
let millrace: Running

const USERS = ['ada', 'bob', 'cy']
const categoryOf = (item: string) => (Number(item.slice(5)) % 2 === 0 ? 'even' : 'odd')

/** Two camps of users with opposite tastes, so that a model has something to learn. */
beforeAll(async () => {
  millrace = await runningMillrace({ TRAIN_TRIALS: '1' })
  const items = CAMP_ITEMS.map((itemId) => ({ itemId, title: `Title of ${itemId}`, categories: [categoryOf(itemId)] }))
  await call(millrace.url, 'POST', '/api/v1/items', { items })
  await postCamps(millrace.url)
  await trainOnCamps(millrace.url, { factors: 16, iterations: 10 })
})
afterAll(() => millrace[Symbol.asyncDispose]())

test('after an acknowledged event the next reply has seen it: random sequences, read by token', async () => {
  const visits = fc.array(fc.record({ user: fc.constantFrom(...USERS), item: fc.constantFrom(...CAMP_ITEMS) }), {
    minLength: 1,
    maxLength: 12,
  })
  const seen = new Map(USERS.map((user) => [user, new Set<string>()]))
  let checked = 0
  await fc.assert(
    fc.asyncProperty(visits, async (sequence) => {
      for (const { user, item } of sequence) {
        const before = await recommendations(user)
        const { token } = (await post(user, item)).body
        seen.get(user)?.add(item)
        const after = await recommendations(user, `&after=${token}`)
        expect(after.after).toBeUndefined()
        expect(after.degraded).toBe(false)
        const listed = after.items.map(({ itemId }) => itemId)
        expect(listed.filter((itemId) => seen.get(user)?.has(itemId))).toEqual([])
        expect(after.state?.events).toBe((before.state?.events ?? 0) + 1)
        expect(new Set(listed).size).toBe(listed.length)
        expect(listed.length).toBe(Math.min(10, CAMP_ITEMS.length - (seen.get(user)?.size ?? 0)))
        checked++
      }
    }),
    { numRuns: 25, endOnFailure: true },
  )
  expect(checked).toBeGreaterThan(25)
})

test('once the updater has caught up, a reply without a token has seen the event as well', async () => {
  const user = 'dee'
  const seen = new Set<string>()
  for (const item of CAMP_ITEMS.slice(0, 25)) {
    await recommendations(user)
    await post(user, item)
    seen.add(item)
    await caughtUp()
    const reply = await recommendations(user)
    expect(reply.state?.events).toBe(seen.size)
    expect(reply.items.map(({ itemId }) => itemId).filter((itemId) => seen.has(itemId))).toEqual([])
  }
})

test('an event turns the list towards it, says why, and the second read comes from the cache', async () => {
  const user = 'eve'
  for (const item of ['item-02', 'item-04', 'item-08']) await post(user, item)
  const { token } = (await post(user, 'item-10')).body
  const reply = await recommendations(user, `&after=${token}&include=metadata&limit=5`)
  expect(reply).toMatchObject({ cache: 'miss', modelVersion: '1' })
  expect(reply.sources[0]).toBe('personal')
  expect(reply.items.filter(({ categories }) => categories?.includes('even')).length).toBeGreaterThanOrEqual(4)
  const because = reply.items.filter(({ reason }) => reason.kind === 'because')
  expect(because.length).toBeGreaterThan(0)
  for (const { reason } of because) {
    expect(reason.ids.every((id) => ['item-02', 'item-04', 'item-08', 'item-10'].includes(id))).toBe(true)
  }
  const again = await recommendations(user, '&include=metadata&limit=5')
  expect(again.cache).toBe('hit')
  expect(again.items).toEqual(reply.items)
  expect(again.requestId).not.toBe(reply.requestId)
})

test('a token that cannot be reached in time is answered with a list, marked as late', async () => {
  const { token } = (await post('flo', 'item-01')).body
  const { body } = await call<Status>(millrace.url, 'GET', '/api/v1/monitoring/status')
  expect(body.log.interactions).toBeGreaterThan(600)
  const malformed = await call(millrace.url, 'GET', '/api/v1/recommendations/user/flo?after=nonsense')
  expect(malformed).toMatchObject({ status: 400, body: { code: 'INVALID_TOKEN' } })
  const cut = await call(millrace.url, 'GET', `/api/v1/recommendations/user/flo?after=${token.slice(0, -3)}`)
  expect(cut).toMatchObject({ status: 400, body: { code: 'INVALID_TOKEN' } })
})

async function recommendations(user: string, query = ''): Promise<Recommendations> {
  const reply = await call<Recommendations>(
    millrace.url,
    'GET',
    `/api/v1/recommendations/user/${user}?wait=5000${query}`,
  )
  expect(reply.status, JSON.stringify(reply.body)).toBe(200)
  return reply.body
}

async function post(userId: string, itemId: string) {
  const reply = await call<Accepted>(millrace.url, 'POST', '/api/v1/events', { userId, itemId, type: 'like' })
  expect(reply.status).toBe(202)
  return reply
}

async function caughtUp(): Promise<void> {
  await eventually(
    async () => (await call<Status>(millrace.url, 'GET', '/api/v1/monitoring/status')).body,
    ({ log, userState }) => userState.events === log.interactions,
  )
}
