import { type Accepted, call, type Recommendations, type Status } from '../tests/support/api.ts'
import { seeded } from '../tests/support/events.ts'
import { eventually } from '../tests/support/eventually.ts'
import { startProcess, temporaryFolder } from '../tests/support/process.ts'
import { type LoadResult, runLoad } from './load.ts'
import { report, rounded } from './report.ts'

const ITEMS = 4_000
const USERS = 2_000
const EVENTS_PER_USER = 40
const CONNECTIONS = 64
const SECONDS = 8
const WARM_UP_SECONDS = 2

/** Lists from one process with 4,000 items and 64 factors, over HTTP from a second process; the better of two runs. */
export async function benchServing(): Promise<void> {
  await serve('hit', {}, 200)
  await serve('miss', { CACHE_ENTRIES_MAX: '1' }, USERS)
}

async function serve(cache: 'hit' | 'miss', settings: Readonly<Record<string, string>>, users: number): Promise<void> {
  await using folder = await temporaryFolder('bench-serving')
  const fixed = { TRAIN_SCHEDULE: 'never', TRAIN_TRIALS: '1' }
  await using millrace = await startProcess({ DATA_DIR: folder.path, ...fixed, ...settings })
  const blockedMs = await fillAndTrain(millrace.url)
  const command = 'npm run bench serving'
  const { value, details } = await measureLists(millrace.url, [0, users], cache)
  const bar = { atLeast: cache === 'hit' ? 20_000 : 3_000 }
  const figure = cache === 'hit' ? 'cached_lists_per_second' : 'computed_lists_per_second'
  report({ figure, value, unit: 'requests/s', bar, details: { ...details, command } })
  if (cache === 'miss') return
  const trained = { interactions: USERS * EVENTS_PER_USER, factors: 64, command }
  const blocked = 'event_loop_blocked_ms_max_during_training'
  report({ figure: blocked, value: rounded(blockedMs), unit: 'ms', bar: { atMost: 50 }, details: trained })
}

/** The better of two runs over the users of a range whose lists are all cached, or never. */
export async function measureLists(url: string, [from, to]: readonly [number, number], cache: 'hit' | 'miss') {
  const paths = Array.from({ length: to - from }, (_, user) => `/api/v1/recommendations/user/u${from + user}`)
  for (const path of paths) await call(url, 'GET', path)
  await loadLists(url, paths, WARM_UP_SECONDS)
  const results = [await loadLists(url, paths, SECONDS), await loadLists(url, paths, SECONDS)]
  const probe = (await call<Recommendations>(url, 'GET', paths[7] as string)).body
  if (probe.cache !== cache || probe.sources[0] !== 'personal') {
    throw new Error(`expected a personal ${cache}: ${JSON.stringify(probe)}`)
  }
  const best = results.reduce((left, right) => (perSecond(left) > perSecond(right) ? left : right))
  const both = results.map((result) => rounded(perSecond(result), 4))
  const { p50Ms, p99Ms, maxMs } = best
  const details = { items: ITEMS, factors: 64, connections: CONNECTIONS, seconds: SECONDS, p50Ms, p99Ms, maxMs, both }
  return { value: rounded(perSecond(best), 4), p99Ms, details }
}

/** Sixty-four connections, each over all paths from a place of its own, so that no two ask for the same list in step. */
export function loadLists(url: string, paths: readonly string[], seconds: number): Promise<LoadResult> {
  const requests = paths.map((path) => ({ method: 'GET', path }))
  return runLoad({ url, requests, connections: CONNECTIONS, seconds, expectedStatus: 200 })
}

function perSecond({ replies, seconds }: LoadResult): number {
  return replies / seconds
}

/** Planted tastes in 40 groups; returns the longest the event loop was blocked while the model was trained, in ms. */
export async function fillAndTrain(url: string): Promise<number> {
  const random = seeded(7)
  const start = Date.UTC(2026, 0, 1)
  const events = Array.from({ length: USERS * EVENTS_PER_USER }, (_, index) => {
    const user = index % USERS
    const group = random() < 0.8 ? user % 40 : Math.floor(random() * 40)
    const item = group + 40 * Math.floor(random() ** 2 * (ITEMS / 40))
    return {
      userId: `u${user}`,
      itemId: `i${item}`,
      type: 'view',
      timestamp: new Date(start + index * 60_000).toISOString(),
    }
  })
  for (let at = 0; at < events.length; at += 1_000) {
    const { body } = await call<Accepted>(url, 'POST', '/api/v1/events', { events: events.slice(at, at + 1_000) })
    if (body.accepted !== 1_000) throw new Error(`only ${body.accepted} of 1,000 accepted`)
  }
  const status = async () => (await call<Status>(url, 'GET', '/api/v1/monitoring/status')).body
  await eventually(
    status,
    ({ eventStore, userState }) => Math.min(eventStore.events, userState.events) === events.length,
    60_000,
  )
  await eventLoopLagMs(url)
  const { body } = await call<{ runId: string }>(url, 'POST', '/api/v1/training/train', {
    model_type: 'als',
    parameters: { factors: 64 },
  })
  const path = `/api/v1/training/runs/${body.runId}`
  const run = await eventually(
    async () => (await call<{ state: string; message: string; modelVersion: string }>(url, 'GET', path)).body,
    ({ state }) => ['finished', 'rejected', 'failed'].includes(state),
    180_000,
  )
  if (run.state === 'failed') throw new Error(run.message)
  if (run.state === 'rejected') await call(url, 'POST', `/api/v1/models/${run.modelVersion}/promote`)
  await eventually(status, ({ model }) => model?.version === run.modelVersion)
  return await eventLoopLagMs(url)
}

/** The longest pause since the last scrape, by Node's own histogram. */
async function eventLoopLagMs(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return 1_000 * Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1] ?? Number.NaN)
}
