import { createHash } from 'node:crypto'
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { call, type Recommendations, type Status } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/process.ts'
import { readAllTheTime } from '../support/readers.ts'
import { runningMillrace } from '../support/running.ts'
import { postCamps, trainOnCamps } from '../support/trained.ts'
import { openGate } from './http-gate.ts'
import { makeBucket, type S3Bucket } from './s3-bucket.ts'
import { serviceUrl } from './service-url.ts'

const SWAP_DEADLINE_MS = 10_000
const USERS = ['trainer-0', 'trainer-1', 'trainer-2']

test('retrained while serving with MLflow and S3: everything is recorded, every reply is of one model, and outages change nothing', async () => {
  const name = `test-${crypto.randomUUID()}`
  await using bucket = await makeBucket(serviceUrl('s3'))
  await using mlflow = await openGate(serviceUrl('mlflow'))
  await using s3 = await openGate(new URL(serviceUrl('s3')).origin)
  await using data = await temporaryFolder('retrain')
  const settings = {
    ...{ DATA_DIR: data.path, TRAIN_TRIALS: '1', MODEL_REGISTRY_URL: `${mlflow.url}/?name=${name}` },
    ARTIFACTS_URL: bucket.url('models').replace(/endpoint=.*$/, `endpoint=${s3.url}`),
  }
  {
    await using millrace = await runningMillrace(settings)
    await postCamps(millrace.url)
    await trainOnCamps(millrace.url, { factors: 16, iterations: 5 })

    await using readers = readAllTheTime([millrace.url], USERS)
    await readers.until((version) => version === '1')
    await trainOnCamps(millrace.url, { factors: 24, iterations: 8 })
    await readers.until((version) => version === '2')
    expect(readers.failures()).toEqual([])

    await recordedIn(name)
    await storedIn(bucket)

    for (const gate of [mlflow, s3]) gate.decide(() => 'cut')
    await expectServing(millrace.url, '2')
    expect((await call(millrace.url, 'POST', '/api/v1/training/train', {})).status).toBe(503)
    await expectServing(millrace.url, '2')
    for (const gate of [mlflow, s3]) gate.decide(() => 'pass')
    const rolledBack = performance.now()
    expect((await call(millrace.url, 'POST', '/api/v1/models/rollback', {})).status).toBe(200)
    await readers.until((version) => version === '1')
    expect(performance.now() - rolledBack).toBeLessThan(SWAP_DEADLINE_MS)
    expect(readers.listsByVersion().map(({ lists }) => lists)).toEqual([1, 1, 1, 1, 1, 1])
    expect(readers.failures()).toEqual([])
  }
  for (const gate of [mlflow, s3]) gate.decide(() => 'cut')
  await using again = await runningMillrace(settings)
  await expectServing(again.url, '1')
  expect(again.logs.filter((line) => line.includes('local cache'))).toHaveLength(1)
}, 120_000)

/** Parameters, metrics, lineage, the version and the alias, asked of MLflow itself. */
async function recordedIn(name: string): Promise<void> {
  const model = (await ask(`registered-models/get?name=${name}`)).registered_model
  expect(model.aliases).toMatchObject([{ alias: 'champion', version: '2' }])
  const { model_version } = await ask(`model-versions/get?name=${name}&version=2`)
  // The run's own state is set first, what MLflow shows of it after that.
  const { run } = await eventually(() => ask(`runs/get?run_id=${model_version.run_id}`), ({ run }) => run.info.status === 'FINISHED') // biome-ignore format: one line
  const params = keyed<string>(run.data.params)
  expect(params).toMatchObject({ factors: '24', iterations: '8' })
  expect(keyed<number>(run.data.metrics).ndcg_at_10).toBeGreaterThanOrEqual(0)
  const lineage = JSON.parse(keyed<string>(run.data.tags)['millrace.lineage'] ?? '')
  expect(lineage).toMatchObject({ events: '600', champion: '1' })
  expect(Object.keys(lineage)).toEqual(expect.arrayContaining(['positions', 'code_version', 'data_from', 'data_until']))
}

/** Both models and both evaluations, each with the SHA-256 of what is there. */
async function storedIn({ client, name: Bucket }: S3Bucket): Promise<void> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
  expect(Contents).toHaveLength(4)
  for (const { Key } of Contents) {
    const { Metadata } = await client.send(new HeadObjectCommand({ Bucket, Key }))
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
    const content = (await Body?.transformToByteArray()) ?? new Uint8Array()
    expect(Metadata?.sha256).toBe(createHash('sha256').update(content).digest('hex'))
  }
}

async function expectServing(url: string, version: string): Promise<void> {
  const status = await call<Status>(url, 'GET', '/api/v1/monitoring/status')
  expect(status.body.model?.version).toBe(version)
  const { status: code, body } = await recommendations(url, 'trainer-5')
  expect(code).toBe(200)
  expect(body).toMatchObject({ modelVersion: version, sources: expect.arrayContaining(['personal']) })
}

function recommendations(url: string, user: string) {
  return call<Recommendations>(url, 'GET', `/api/v1/recommendations/user/${user}?limit=5`)
}

async function ask(path: string) {
  const response = await fetch(`${serviceUrl('mlflow')}/api/2.0/mlflow/${path}`)
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return await response.json()
}

function keyed<T>(entries: readonly { key: string; value: T }[]): Record<string, T> {
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]))
}
