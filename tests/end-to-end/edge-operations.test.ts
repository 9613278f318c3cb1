import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EdgeHarness, groupedModel, openEdge } from '../support/edge-harness.ts'

let edge: EdgeHarness
beforeAll(async () => {
  edge = await openEdge()
})
afterAll(() => edge[Symbol.asyncDispose]())

test('every route has a scope, and writing ones are not free to read', () => {
  const routes = [...edge.app.routeScopes]
  expect(routes.length).toBeGreaterThan(30)
  for (const [route, scope] of routes) {
    const [method, path = ''] = route.split(' ')
    expect(['read', 'write', 'admin']).toContain(scope)
    if (method === 'PUT' || method === 'DELETE') expect(scope).not.toBe('read')
    if (method === 'POST' && !path.includes('/recommendations/')) expect(scope).not.toBe('read')
    if (/train|promote|rollback|replay/.test(path) && method === 'POST') expect(scope).toBe('admin')
  }
})

test('a route without a scope cannot be added', async () => {
  const { recordScopes } = await import('../../services/edge/scopes.ts')
  const { fastify } = await import('fastify')
  const app = fastify()
  recordScopes(app as never)
  expect(() => app.get('/open', async () => 'x')).toThrow(/has no scope/)
})

test('the OpenAPI document covers every route of the API and names its parameters', async () => {
  const { status, body } = await edge.call('GET', '/docs/json')
  expect([status, body.openapi]).toEqual([200, '3.1.0'])
  const documented = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  )
  const routes = [...edge.app.routeScopes.keys()].filter((route) => / \/(api|livez|readyz|metrics)/.test(route))
  expect(documented.sort()).toEqual(routes.filter((route) => !route.startsWith('HEAD ')).sort())
  const { parameters } = body.paths['/api/v1/recommendations/user/{id}'].get
  expect(parameters.map(({ name }: { name: string }) => name)).toEqual(
    expect.arrayContaining(['id', 'limit', 'category', 'exclude', 'includeSeen', 'minSource', 'after', 'wait']),
  )
  expect((await edge.call('GET', '/docs')).status).toBeLessThan(400)
})

test('a training request is a queued run that can be looked up, and has no evaluation yet', async () => {
  const asked = await edge.call('POST', '/api/v1/training/train', { model_type: 'als', parameters: { factors: 16 } })
  expect(asked.status).toBe(202)
  const { runId } = asked.body
  const run = await edge.call('GET', `/api/v1/training/runs/${runId}`)
  expect(run.body).toMatchObject({ runId, state: 'queued', progress: 0, gate: null, parameters: { factors: 16 } })
  expect((await edge.call('GET', '/api/v1/training/runs')).body.runs).toHaveLength(1)
  const evaluation = await edge.call('GET', `/api/v1/training/evaluate/${runId}`)
  expect([evaluation.status, evaluation.body.detail]).toEqual([404, expect.stringMatching(/queued/)])
  const content = new TextEncoder().encode('{"candidate":{}}')
  await edge.backends.artifacts.put(`models/${runId}/evaluation.json`, content, { signal: AbortSignal.timeout(5_000) })
  expect((await edge.call('GET', `/api/v1/training/evaluate/${runId}`)).body).toEqual({ candidate: {} })
})

test('models are listed, promoted and rolled back over HTTP', async () => {
  const { recipe } = groupedModel(['a'], () => 0)
  const signal = AbortSignal.timeout(5_000)
  for (const runId of ['r1', 'r2']) {
    await edge.backends.modelRegistry.registerVersion(
      {
        ...{ runId, recipe, artifactKey: `models/${runId}/model.bin`, metrics: { ndcg_at_10: 0.3 } },
        ...{ gate: { accepted: true, reasons: [] }, users: 3, items: 1 },
      },
      { now: Date.now(), signal },
    )
  }
  expect((await edge.call('POST', '/api/v1/models/1/promote')).body).toMatchObject({ from: null, to: '1' })
  const promoted = await edge.call('POST', '/api/v1/models/2/promote', { reason: 'better' })
  expect(promoted.body).toMatchObject({ alias: 'champion', from: '1', to: '2', reason: 'better' })
  expect((await edge.call('POST', '/api/v1/models/rollback', {})).body).toMatchObject({ from: '2', to: '1' })
  const { body } = await edge.call('GET', '/api/v1/models')
  expect(body.champion).toBe('1')
  expect(body.models.map(({ version, aliases }: { version: string; aliases: string[] }) => [version, aliases])).toEqual(
    [
      ['2', []],
      ['1', ['champion']],
    ],
  )
  expect(body.history).toHaveLength(3)
})

test('a live sample counts what happened since the last one, and metrics carry the well-known names', async () => {
  const sampleNow = () => edge.live.sample(AbortSignal.timeout(5_000))
  await sampleNow()
  const { token } = (await edge.call('POST', '/api/v1/events', { userId: 'u', itemId: 'i', type: 'view' })).body
  await edge.call('GET', `/api/v1/recommendations/user/u?after=${token}&wait=5000`)
  edge.advance(1_000)
  await sampleNow()
  const { body } = await edge.call('GET', '/api/v1/monitoring/live')
  const sample = body.samples.at(-1)
  expect(sample.eventsPerSecond).toBeGreaterThan(0)
  expect(sample.recommendationsPerSecond).toBeGreaterThan(0)
  expect(sample.cacheHitRate).toBe(0)
  expect(sample.freshnessMs.p50).toBeGreaterThan(0)
  expect(sample.freshnessMs.p99).toBeGreaterThanOrEqual(sample.freshnessMs.p50)
  expect(Object.keys(sample.sources)).toEqual(['personal', 'category', 'popular', 'static'])

  const text = (await edge.call('GET', '/metrics')).body as string
  for (const name of ['events_accepted_total 1', 'http_requests_total{', 'recommendation_latency_seconds_bucket{']) {
    expect(text).toContain(name)
  }
  expect(text).toContain('route="/api/v1/recommendations/user/:id"')
})

test('status counts agree once everybody has caught up, and dead letters can be replayed', async () => {
  const { body } = await edge.call('POST', '/api/v1/monitoring/dead-letters/replay', {})
  expect(body).toMatchObject({ replayed: 0, skipped: 0 })
  const status = (await edge.call('GET', '/api/v1/monitoring/status')).body
  expect(status).toMatchObject({
    log: { interactions: 1 },
    userState: { users: 1, events: 1 },
    deadLetters: 0,
    model: null,
  })
})
