import kafkajs from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ServiceName } from '../../services/provision/definition.ts'
import { openEventLog } from '../../streams/event-log/open.ts'
import { TOPICS } from '../../streams/topics.ts'
import { type Accepted, call, type Recommendations, type Status } from '../support/api.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { readAllTheTime } from '../support/readers.ts'
import { postCamps, trainOnCamps } from '../support/trained.ts'
import { type ClusterSettings, clusterSettings } from './cluster-settings.ts'
import { produceWithNewerSchema } from './newer-schema.ts'
import { POISON_KINDS, poisonAmong } from './poison.ts'
import { type PrivateServices, startPrivateServices } from './private-services.ts'
import { serviceUrl } from './service-url.ts'

const SWAP_DEADLINE_MS = 10_000
const GOOD = 49_000
const POISON = 1_000
const READERS = ['trainer-0', 'trainer-1', 'trainer-2']
/** No reader is among them: readers' lists must not change but with the model. */
const WRITERS = Array.from({ length: 30 }, (_, index) => `trainer-${index + 20}`)

/** Topics, groups and subjects have fixed names. */
let own: PrivateServices
let servers: ClusterSettings
let cluster: Cluster
let edges: readonly [string, string]

beforeAll(async () => {
  own = await startPrivateServices(['kafka', 'registry'])
  const isOwn = (name: ServiceName) => name === 'kafka' || name === 'registry'
  servers = await clusterSettings((name) => (isOwn(name) ? own.url(name) : serviceUrl(name)))
  cluster = await startCluster({ edge: 2, sink: 1, updater: 2, trainer: 1 }, servers.settings)
  edges = cluster.named('edge').map(({ url }) => url) as [string, string]
}, 180_000)
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await servers?.[Symbol.asyncDispose]()
  await own?.[Symbol.asyncDispose]()
})

test('every process answers /livez, /readyz and /metrics on a port of its own', async () => {
  expect(cluster.instances).toHaveLength(6)
  for (const { name, url } of cluster.instances) {
    expect((await call(url, 'GET', '/livez')).status, name).toBe(200)
    expect((await call(url, 'GET', '/readyz')).status, name).toBe(200)
    expect((await call<string>(url, 'GET', '/metrics')).body, name).toContain('process_cpu_seconds_total')
  }
})

test('a model is trained by the trainer, logged in MLflow, stored in S3, and served by both edges and both updaters', async () => {
  await postCamps(edges[0])
  await trainOnCamps(edges[0], { factors: 16, iterations: 5 })
  await servedEverywhere('1')
  await recordedInMlflow('1', { factors: '16', iterations: '5' })
})

test('an event posted to one edge changes the next list of the other: it never contains the item just seen', async () => {
  for (const [index, userId] of WRITERS.entries()) {
    const [writing, reading] = index % 2 === 0 ? edges : edges.toReversed()
    const before = await recommendations(reading as string, userId)
    const itemId = before.items[0]?.itemId
    const event = { userId, itemId, type: 'view', timestamp: new Date().toISOString() }
    const { status, body } = await call<Accepted>(writing as string, 'POST', '/api/v1/events', event)
    expect(status).toBe(202)
    const after = await recommendations(reading as string, userId, `&after=${body.token}&wait=5000`)
    expect(after).toMatchObject({ degraded: false, state: { events: (before.state?.events ?? 0) + 1 } })
    expect(after.items.map((item) => item.itemId)).not.toContain(itemId)
  }
})

test('lag of every group appears as kafka_consumergroup_lag: it grows while the sink is stopped, and goes back to 0', async () => {
  const sink = cluster.get('sink-1')
  await eventually(() => statusOf(edges[0]), ({ log, eventStore }) => eventStore.events === log.interactions) // biome-ignore format: one line
  expect(await sink.stop()).toBe(0)
  const events = Array.from({ length: 200 }, (_, index) => ({
    ...{ userId: `lag-${index}`, itemId: 'item-01', type: 'view' },
    timestamp: '2025-01-01T00:00:00Z',
  }))
  expect((await call(edges[1], 'POST', '/api/v1/events', { events })).status).toBe(202)
  for (const url of edges) await eventually(() => lagOf(url, 'sink'), (lag) => lag === 200) // biome-ignore format: one line
  await eventually(() => lagOf(edges[0], 'updater'), (lag) => lag === 0) // biome-ignore format: one line
  await sink.start()
  for (const url of edges) await eventually(() => lagOf(url, 'sink'), (lag) => lag === 0, 30_000) // biome-ignore format: one line
  expect(await lagOf(edges[0], 'trainer')).toBe(0)
})

test('a retrained model is served by every process within 10 s, with no failed request and no reply of two models; so is a rollback', async () => {
  await using readers = readAllTheTime(edges, READERS)
  await readers.until((version) => version === '1')
  await trainOnCamps(edges[1], { factors: 24, iterations: 8 })
  const promoted = performance.now()
  await readers.until((version) => version === '2')
  await servedEverywhere('2')
  expect(performance.now() - promoted).toBeLessThan(SWAP_DEADLINE_MS)
  await recordedInMlflow('2', { factors: '24', iterations: '8' })

  const rolledBack = performance.now()
  expect((await call(edges[0], 'POST', '/api/v1/models/rollback', {})).status).toBe(200)
  await readers.until((version) => version === '1')
  await servedEverywhere('1', 2)
  expect(performance.now() - rolledBack).toBeLessThan(SWAP_DEADLINE_MS)

  expect(readers.failures()).toEqual([])
  expect(readers.listsByVersion().map(({ lists }) => lists)).toEqual(READERS.flatMap(() => [1, 1]))
})

test('a compatible schema version is deployed while old producers go on and old services restart: every event counts, none is poison', async () => {
  const before = (await statusOf(edges[0])).eventStore.events
  const named = (kind: string) =>
    Array.from({ length: 100 }, (_, index) => ({
      ...{
        userId: `evolving-${index % 10}`,
        eventId: `${kind}-${index}`,
        itemId: `item-${String(index % 40).padStart(2, '0')}`,
      },
    }))
  const post = async (kind: string) => {
    const events = named(kind).map((event) => ({ ...event, type: 'view', timestamp: '2026-01-02T00:00:00Z' }))
    expect((await call<Accepted>(edges[0], 'POST', '/api/v1/events', { events })).body.accepted).toBe(100)
  }
  await post('old-before')
  await produceWithNewerSchema(servers.settings, named('new'))
  await post('old-beside')
  for (const name of ['edge-1', 'sink-1', 'updater-1']) {
    await cluster.get(name).stop()
    await cluster.get(name).start()
  }
  await produceWithNewerSchema(servers.settings, named('newer'))
  await post('old-after')
  await eventually(() => statusOf(edges[0]), counted(before + 500, 0), 30_000) // biome-ignore format: one line
  expect((await recommendations(edges[1], 'evolving-1')).state?.events).toBe(50)
})

test('partitions added while everything runs are written, stored, applied and watched, and every event counts once', async () => {
  const before = (await statusOf(edges[0])).eventStore.events
  const admin = new kafkajs.Kafka({ brokers: [own.url('kafka').replace('kafka://', '')], logLevel: 0 }).admin()
  await admin.connect()
  await admin.createPartitions({ topicPartitions: [{ topic: TOPICS.interactions, count: 6 }] })
  let sent = 0
  const lagPartitions = async () => {
    const events = Array.from({ length: 40 }, () => ({
      ...{ userId: `added-${sent % 40}`, itemId: `item-${String(sent % 37).padStart(2, '0')}`, eventId: `a${sent++}` },
      ...{ type: 'view', timestamp: '2026-01-03T00:00:00Z' },
    }))
    // While Kafka makes the partitions an append may be refused: the same ids sent again count once.
    await eventually(() => call<Accepted>(edges[1], 'POST', '/api/v1/events', { events }), ({ body }) => body.accepted === 40) // biome-ignore format: one line
    // And a partition without a leader yet has no offsets.
    const offsets = await admin.fetchTopicOffsets(TOPICS.interactions).catch(() => [])
    return offsets.filter(({ high }) => Number(high) > 0).length
  }
  await eventually(lagPartitions, (partitions) => partitions === 6, 40_000) // biome-ignore format: one line
  await admin.disconnect()
  await eventually(() => statusOf(edges[0]), counted(before + sent, 0), 40_000) // biome-ignore format: one line
  for (const url of edges) {
    const watched = async () => (await call<string>(url, 'GET', '/metrics')).body.match(/^kafka_consumergroup_lag\{consumergroup="updater",topic="interactions",partition="5"\} 0$/m) // biome-ignore format: one line
    await eventually(watched, (line) => line !== null)
  }
}, 120_000)

test('1,000 poison records among 50,000 become dead letters with their reasons, the rest is processed, and replay works after a fix', async () => {
  const before = (await statusOf(edges[0])).eventStore.events
  const produced = await poisonAmong({ good: GOOD, poison: POISON, settings: servers.settings })
  await eventually(() => statusOf(edges[0]), counted(before + GOOD, POISON), 60_000) // biome-ignore format: one line
  const perKind = POISON / POISON_KINDS.length
  expect(await deadLetterReasons()).toEqual(new Map(POISON_KINDS.map(({ kind, code }) => [`${kind} ${code}`, perKind])))

  for (const instance of [...cluster.named('sink'), ...cluster.named('updater')]) {
    await instance.stop()
    await instance.start({ EVENT_WEIGHTS: `view:1,${produced.fixedType}:3` })
  }
  const { status, body } = await call(edges[0], 'POST', '/api/v1/monitoring/dead-letters/replay', {})
  expect({ status, body }).toMatchObject({ status: 200, body: { replayed: POISON, skipped: 0 } })
  await eventually(() => statusOf(edges[0]), counted(before + GOOD + perKind, 2 * POISON - perKind), 60_000) // biome-ignore format: one line
  expect(cluster.deaths()).toEqual([])
}, 180_000)

function counted(events: number, deadLetters: number) {
  return (status: Status) =>
    status.eventStore?.events === events && status.userState?.events === events && status.deadLetters === deadLetters
}

/** `kind code` of every dead letter -> how many. Each carries a first position of its own. */
async function deadLetterReasons(): Promise<Map<string, number>> {
  const { signal } = new AbortController()
  await using log = await openEventLog(servers.settings.LOG_URL ?? '', { now: Date.now })
  const counts = new Map<string, number>()
  const positions = new Set<string>()
  for (let offset = 0; ; ) {
    const letters = await log.read({ topic: TOPICS.deadLetters, partition: 0, offset }, 1_000, { signal })
    for (const { headers } of letters) {
      expect(headers['kafka_dlt-original-topic']).toBe(TOPICS.interactions)
      expect(headers['kafka_dlt-exception-message']).toBeTruthy()
      positions.add(`${headers['kafka_dlt-original-partition']}/${headers['kafka_dlt-original-offset']}`)
      const reason = `${headers.kind} ${headers['kafka_dlt-exception-fqcn']}`
      counts.set(reason, (counts.get(reason) ?? 0) + 1)
    }
    if (letters.length === 0) break
    offset += letters.length
  }
  expect(positions.size).toBe(POISON)
  return counts
}

/** Edges say which model they serve; updaters log each one that they load, `times` times since their start. */
async function servedEverywhere(version: string, times = 1): Promise<void> {
  for (const url of edges) await eventually(() => statusOf(url), ({ model }) => model?.version === version) // biome-ignore format: one line
  for (const updater of cluster.named('updater')) {
    const loaded = () =>
      updater.output().split('\n').filter((line) => line.includes('model is serving') && line.includes(`"version":"${version}"`)) // biome-ignore format: one line
    await eventually(loaded, (lines) => lines.length === times)
  }
}

async function recordedInMlflow(version: string, parameters: Readonly<Record<string, string>>): Promise<void> {
  const { name } = servers
  const { registered_model } = await askMlflow(`registered-models/get?name=${name}`)
  expect(registered_model.aliases).toMatchObject([{ alias: 'champion', version }])
  const { model_version } = await askMlflow(`model-versions/get?name=${name}&version=${version}`)
  // The run's own state is set first, what MLflow shows of it after that.
  const { run } = await eventually(() => askMlflow(`runs/get?run_id=${model_version.run_id}`), ({ run }) => run.info.status === 'FINISHED') // biome-ignore format: one line
  const params = run.data.params.map(({ key, value }: { key: string; value: string }) => [key, value])
  expect(Object.fromEntries(params)).toMatchObject(parameters)
  expect(run.data.metrics.map(({ key }: { key: string }) => key)).toContain('ndcg_at_10')
}

async function askMlflow(path: string) {
  const response = await fetch(`${serviceUrl('mlflow')}/api/2.0/mlflow/${path}`)
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return await response.json()
}

async function lagOf(url: string, group: string): Promise<number> {
  const { body } = await call<string>(url, 'GET', '/metrics')
  const lines = body.split('\n').filter((line) => line.startsWith(`kafka_consumergroup_lag{consumergroup="${group}"`))
  expect(lines.length).toBeGreaterThan(0)
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

async function statusOf(url: string): Promise<Status> {
  return (await call<Status>(url, 'GET', '/api/v1/monitoring/status')).body
}

async function recommendations(url: string, userId: string, more = ''): Promise<Recommendations> {
  const reply = await call<Recommendations>(url, 'GET', `/api/v1/recommendations/user/${userId}?limit=10${more}`)
  expect(reply.status).toBe(200)
  return reply.body
}
