import { Agent, request } from 'node:http'
import { temporaryDatabase } from '../tests/services/clickhouse-database.ts'
import { startPrivateServices } from '../tests/services/private-services.ts'
import { makeBucket } from '../tests/services/s3-bucket.ts'
import { call, type Status } from '../tests/support/api.ts'
import { type Cluster, startCluster } from '../tests/support/cluster.ts'
import { eventually } from '../tests/support/eventually.ts'
import { measureFreshness } from './freshness.ts'
import { quantile, report, rounded } from './report.ts'
import { fillAndTrain, measureLists } from './serving.ts'

const command = 'npm run bench services'
const CONNECTIONS = 64

/**
 * The same figures with every service in a process of its own on real Kafka, registry, ClickHouse engine, Redis, MLflow
 * and S3, all of them on this machine. Not part of `npm run bench` without a name: it starts seven servers.
 */
export async function benchServices(): Promise<void> {
  await using servers = await startPrivateServices(['kafka', 'registry', 'redis', 'clickhouse', 'mlflow', 's3'])
  await using bucket = await makeBucket(servers.url('s3'))
  await using database = await temporaryDatabase(servers.url('clickhouse'))
  await using cluster = await startCluster(
    { edge: 1, sink: 1, updater: 1, trainer: 1 },
    {
      LOG_URL: servers.url('kafka'),
      SCHEMA_REGISTRY_URL: servers.url('registry'),
      EVENT_STORE_URL: database.url,
      USER_STATE_URL: `${servers.url('redis')}/0`,
      MODEL_REGISTRY_URL: servers.url('mlflow'),
      ARTIFACTS_URL: bucket.url('models'),
      ...{ TRAIN_TRIALS: '1', TRAIN_SCHEDULE: 'never', LOG_LEVEL: 'warn' },
    },
  )
  const edge = cluster.get('edge-1')
  await fillAndTrain(edge.url)
  await benchFresh(edge.url)
  const cached = await measureLists(edge.url, 200, 'hit')
  const bar = { atLeast: 20_000 }
  const details = { ...cached.details, command }
  report({ figure: 'services_cached_lists_per_second', value: cached.value, unit: 'requests/s', bar, details })
  await cluster.get('sink-1').stop()
  await benchAppend(edge.url, 100, 16, { atLeast: 30_000 })
  await benchAppend(edge.url, 1, CONNECTIONS, { atLeast: 5_000 })
  await benchSink(cluster, edge.url)
  await edge.stop()
  await edge.start({ CACHE_ENTRIES_MAX: '1' })
  const computed = await measureLists(edge.url, 2_000, 'miss')
  report({
    ...{ figure: 'services_computed_lists_per_second', value: computed.value, unit: 'requests/s' },
    ...{ bar: { atLeast: 3_000 }, details: { ...computed.details, command } },
  })
}

async function benchFresh(url: string): Promise<void> {
  const { freshness, acknowledged } = await measureFreshness(url, 500)
  const details = { eventsPerSecond: 500, acknowledgedMsP50: rounded(quantile(acknowledged, 0.5)), command }
  const [p50, p99] = [rounded(quantile(freshness, 0.5)), rounded(quantile(freshness, 0.99))]
  report({ figure: 'services_freshness_ms_p50', value: p50, unit: 'ms', details })
  report({ figure: 'services_freshness_ms_p99', value: p99, unit: 'ms', bar: { atMost: 50 }, details })
}

/** Posts for eight seconds, each connection as soon as its last request was acknowledged; counts acknowledged events. */
async function benchAppend(url: string, batch: number, connections: number, bar: { atLeast: number }): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const startedAt = performance.now()
  let [sent, acknowledged] = [0, 0]
  const connection = async () => {
    while (performance.now() - startedAt < 8_000) {
      const events = Array.from({ length: batch }, () => {
        const index = sent++
        return { userId: `b${index % 5_000}`, itemId: `i${(index * 7) % 4_000}`, type: 'view' }
      })
      acknowledged += await post(agent, url, JSON.stringify(batch === 1 ? events[0] : { events }))
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  const seconds = (performance.now() - startedAt) / 1_000
  agent.destroy()
  const figure = batch === 1 ? 'services_single_events_per_second' : 'services_batched_events_per_second'
  const details = { batch, connections, seconds: rounded(seconds), command }
  report({ figure, value: rounded(acknowledged / seconds, 4), unit: 'events/s', bar, details })
}

/** The sink was away while the figures before piled events up; it starts, and the backlog is timed. */
async function benchSink(cluster: Cluster, url: string): Promise<void> {
  const status = async () => (await call<Status>(url, 'GET', '/api/v1/monitoring/status')).body
  const before = await status()
  const backlog = before.log.interactions - before.eventStore.events
  const startedAt = performance.now()
  await cluster.get('sink-1').start()
  await eventually(status, ({ log, eventStore }) => eventStore.events >= log.interactions, 300_000)
  const seconds = (performance.now() - startedAt) / 1_000
  const details = { backlog, seconds: rounded(seconds), startOfTheSinkIncluded: true, command }
  const value = rounded(backlog / seconds, 4)
  report({ figure: 'services_sink_rows_per_second', value, unit: 'rows/s', bar: { atLeast: 50_000 }, details })
}

function post(agent: Agent, url: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sending = request(`${url}/api/v1/events`, { agent, method: 'POST', headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (response.statusCode === 202) resolve(JSON.parse(text).accepted)
        else reject(new Error(`${response.statusCode}: ${text}`))
      })
    })
    sending.on('error', reject)
    sending.end(body)
  })
}
