import autocannon from 'autocannon'
import { type Accepted, call, type Recommendations, type Status } from '../tests/support/api.ts'
import { seeded } from '../tests/support/events.ts'
import { eventually } from '../tests/support/eventually.ts'
import { startProcess, temporaryFolder } from '../tests/support/process.ts'
import { report, rounded } from './report.ts'

const ITEMS = 4_000
const USERS = 2_000
const EVENTS_PER_USER = 40
const CONNECTIONS = 64
const SECONDS = 8

/** Lists from one process with 4,000 items and 64 factors, over HTTP from a second process; the better of two runs. */
export async function benchServing(): Promise<void> {
  await serve('cached_lists_per_second', { atLeast: 20_000 }, {}, 200)
  await serve('computed_lists_per_second', { atLeast: 3_000 }, { CACHE_ENTRIES_MAX: '1' }, USERS)
}

async function serve(
  figure: string,
  bar: { atLeast: number },
  settings: Readonly<Record<string, string>>,
  users: number,
) {
  await using folder = await temporaryFolder('bench-serving')
  await using millrace = await startProcess({
    DATA_DIR: folder.path,
    TRAIN_SCHEDULE: 'never',
    TRAIN_TRIALS: '1',
    ...settings,
  })
  const eventLoopLag = await fillAndTrain(millrace.url)
  const paths = Array.from({ length: users }, (_, user) => `/api/v1/recommendations/user/u${user}`)
  const cache = figure.startsWith('cached') ? 'hit' : 'miss'
  for (const path of paths) await call(millrace.url, 'GET', path)
  const results = [await load(millrace.url, paths), await load(millrace.url, paths)]
  const probe = (await call<Recommendations>(millrace.url, 'GET', paths[7] as string)).body
  if (probe.cache !== cache || probe.sources[0] !== 'personal')
    throw new Error(`expected a personal ${cache}: ${JSON.stringify(probe)}`)
  const best = results.reduce((left, right) => (left.requests.average > right.requests.average ? left : right))
  const details = {
    ...{ items: ITEMS, factors: 64, connections: CONNECTIONS, seconds: SECONDS, command: 'npm run bench serving' },
    ...{ p50Ms: best.latency.p50, p99Ms: best.latency.p99, non2xx: best.non2xx, errors: best.errors },
  }
  if (best.non2xx + best.errors > 0) throw new Error(`requests failed: ${JSON.stringify(details)}`)
  report({ figure, value: rounded(best.requests.average, 4), unit: 'requests/s', bar, details })
  if (figure.startsWith('cached')) {
    const trained = { interactions: USERS * EVENTS_PER_USER, factors: 64, command: 'npm run bench serving' }
    report({
      figure: 'event_loop_blocked_ms_max_during_training',
      value: rounded(eventLoopLag),
      unit: 'ms',
      bar: { atMost: 50 },
      details: trained,
    })
  }
}

/** Every connection walks the users from a place of its own, so that no two ask for the same list in step. */
function load(url: string, paths: readonly string[]): Promise<autocannon.Result> {
  let connection = 0
  const setupClient = (client: autocannon.Client) => {
    const start = Math.floor((connection++ * paths.length) / CONNECTIONS)
    client.setRequests([...paths.slice(start), ...paths.slice(0, start)].map((path) => ({ path })))
  }
  return autocannon({ url, connections: CONNECTIONS, duration: SECONDS, setupClient })
}

/** Planted tastes in 40 groups; returns the longest the event loop was blocked while the model was trained, in ms. */
async function fillAndTrain(url: string): Promise<number> {
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
  let worst = 0
  await eventually(
    async () => {
      worst = Math.max(worst, await eventLoopLagMs(url))
      return (
        (await status()).model?.version ?? (await call(url, 'GET', `/api/v1/training/runs/${body.runId}`)).body.state
      )
    },
    (state) => state === '1' || state === 'rejected' || state === 'failed',
    180_000,
  )
  return worst
}

/** The longest pause since the last scrape, by Node's own histogram. */
async function eventLoopLagMs(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return 1_000 * Number(/nodejs_eventloop_lag_max_seconds (\S+)/.exec(text)?.[1] ?? Number.NaN)
}
