import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call, type Recommendations, type Status } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { millrace, startProcess, temporaryFolder } from '../support/process.ts'

const DATA = '../shared/data/online-retail'
const EVENTS = 396_370
const USERS = 4_335

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let running: Awaited<ReturnType<typeof startProcess>>
beforeAll(async () => {
  expect(existsSync(DATA), `${DATA} must stand beside the project for this command`).toBe(true)
  folder = await temporaryFolder('real')
  running = await startProcess({ DATA_DIR: join(folder.path, 'data'), HALF_LIFE_DAYS: '365' })
})
afterAll(async () => {
  await running[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

const command = (...args: string[]) =>
  millrace(args, { MILLRACE_URL: running.url, DATA_DIR: join(folder.path, 'client') })

test('all 396,370 transactions are in log, event store and user state, identical rows included', async () => {
  const events = await command(
    'import',
    'events',
    `${DATA}/events.csv.gz`,
    '--event-type',
    'purchase',
    '--value',
    'quantity',
  )
  console.log(events.output.trim())
  expect(events.output).toContain('396,370 events accepted, 0 rejected')
  const items = await command('import', 'items', `${DATA}/items.csv`)
  expect(items.output).toContain('3,659 items accepted')
  const { body } = await call<Status>(running.url, 'GET', '/api/v1/monitoring/status')
  console.log(JSON.stringify(body))
  expect(body).toMatchObject({
    log: { interactions: EVENTS },
    eventStore: { events: EVENTS },
    userState: { users: USERS, events: EVENTS },
    deadLetters: 0,
  })
})

test('a model is trained and beats popularity and item-kNN on the last tenth of time', async () => {
  const trained = await command('train')
  console.log(trained.output.trim())
  expect(trained.code).toBe(0)
  const evaluated = await command('evaluate', '--json')
  const report = JSON.parse(evaluated.output.slice(evaluated.output.indexOf('{')))
  const ndcg = (scores: { metrics: Record<string, { value: number }> }) => scores.metrics.ndcg_at_20?.value as number
  console.log((await command('evaluate')).output, JSON.stringify(report.split))
  expect(ndcg(report.candidate)).toBeGreaterThan(ndcg(report.baselines.popularity))
  expect(ndcg(report.candidate)).toBeGreaterThan(ndcg(report.baselines.itemKnn))
})

test('real customers get personal recommendations with titles and reasons', async () => {
  await eventually(
    async () => (await call<Status>(running.url, 'GET', '/api/v1/monitoring/status')).body.model?.version,
    (version) => version === '1',
  )
  for (const user of ['17850', '13047', '12583', '14911']) {
    const path = `/api/v1/recommendations/user/${user}?include=metadata`
    const { body } = await call<Recommendations>(running.url, 'GET', path)
    expect(body.sources[0]).toBe('personal')
    expect(body.items).toHaveLength(10)
    for (const item of body.items) {
      expect(item.title).toBeTruthy()
      expect(Number.isFinite(item.score)).toBe(true)
      if (item.source === 'personal') expect(item.reason.ids.length).toBeGreaterThan(0)
    }
  }
  console.log((await command('recommend', '17850', '--limit', '5')).output)
})
