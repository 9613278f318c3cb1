// npm run test:retail: Online Retail through separate processes on Kafka, ClickHouse and Redis of its own, compared row by
// row with the file. RETAIL_DATA names another folder than ../shared/data/online-retail.
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { gunzipSync } from 'node:zlib'
import { loadConfig } from '../../schemas/config.ts'
import { Settings } from '../../schemas/settings.ts'
import { SERVICE_NAMES } from '../../services/provision/definition.ts'
import { openBackends } from '../../services/runtime/backends.ts'
import { clusterSettings } from '../services/cluster-settings.ts'
import { startPrivateServices } from '../services/private-services.ts'
import { call, type Status } from '../support/api.ts'
import { startCluster } from '../support/cluster.ts'
import { millrace, temporaryFolder } from '../support/process.ts'

const FILE = `${process.env.RETAIL_DATA ?? '../shared/data/online-retail'}/events.csv.gz`
const EVENTS = 396_370

await using servers = await startPrivateServices(SERVICE_NAMES)
await using names = await clusterSettings((name) => servers.url(name))
const settings = { ...names.settings, LOG_LEVEL: 'warn', HALF_LIFE_DAYS: '365' }
await using cluster = await startCluster({ edge: 2, sink: 2, updater: 2 }, settings)
await using client = await temporaryFolder('retail')
const url = cluster.get('edge-1').url

const started = performance.now()
const flags = ['--event-type', 'purchase', '--value', 'quantity']
const environment = { MILLRACE_URL: url, DATA_DIR: client.path }
const imported = await millrace(['import', 'events', FILE, ...flags], environment)
const seconds = (performance.now() - started) / 1_000
console.log(imported.output.trim())
const { body } = await call<Status>(url, 'GET', '/api/v1/monitoring/status')
console.log(JSON.stringify(body))

const wrong = await differences()
for (const line of wrong.slice(0, 20)) console.error(`WRONG: ${line}`)
const counts = [body.log.interactions, body.eventStore.events, body.userState.events]
const exact = imported.code === 0 && wrong.length === 0 && counts.every((count) => count === EVENTS)
const rate = Math.round(EVENTS / seconds)
console.log(
  `${exact ? 'exactly' : 'NOT exactly'} ${EVENTS} events in ClickHouse and Redis after ${seconds.toFixed(1)} s (${rate} events/s from the file to both), ` +
    `${body.userState.users} users, ${body.deadLetters} dead letters, Node ${process.versions.node}, ${cpus().length} processors`,
)
process.exitCode = exact ? 0 : 1

/** Rows of the file that the event store lacks or has too often, as a multiset: identical rows are different events. */
async function differences(): Promise<readonly string[]> {
  const counts = new Map<string, number>()
  const count = (key: string, by: number) => void counts.set(key, (counts.get(key) ?? 0) + by)
  for (const line of gunzipSync(readFileSync(FILE)).toString().trimEnd().split('\n').slice(1)) {
    const [user, item, quantity, , timestamp] = line.split(',')
    count(`${user} ${item} ${Number(quantity)} ${Number(timestamp) * 1_000}`, 1)
  }
  const { signal } = new AbortController()
  await using stores = await openBackends(loadConfig(Settings, settings), Date.now, ['eventStore'])
  const until = await stores.eventStore.positions({ signal })
  for await (const batch of stores.eventStore.scanByUser(until, { batchEventsMax: 10_000, signal })) {
    for (const { userId, itemId, value, timestamp } of batch) count(`${userId} ${itemId} ${value} ${timestamp}`, -1)
  }
  return [...counts].filter(([, left]) => left !== 0).map(([key, left]) => `${key}: ${left > 0 ? 'lacks' : 'has'} ${Math.abs(left)}${left > 0 ? '' : ' too many'}`) // biome-ignore format: one line
}
