import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { call } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { startProcess, temporaryFolder } from '../support/process.ts'
import { onSmallDisk } from '../support/small-disk.ts'
import { trainOnCamps } from '../support/trained.ts'
import { openStruckCluster, type StruckCluster } from './struck-cluster.ts'

let world: StruckCluster

beforeAll(async () => {
  world = await openStruckCluster()
}, 240_000)
afterAll(() => world?.[Symbol.asyncDispose]())
beforeEach(() => world.mark())
afterEach(() => {
  for (const gate of Object.values(world.gates)) gate.decide(() => 'pass')
  expect(world.cluster.deaths()).toEqual([])
})

const train = (parameters: object = {}) =>
  call<{ runId: string; code: string }>(world.edge.url, 'POST', '/api/v1/training/train', { parameters })
const modelOf = async (url: string) => (await call<{ modelVersion: string | null }>(url, 'GET', '/readyz')).body.modelVersion // biome-ignore format: one line

test('registry and artifacts away: the loaded model serves, killed processes start with the model they kept, training is refused and works again', async () => {
  for (const gate of Object.values(world.gates)) gate.decide(() => 'cut')
  expect(await world.list('trainer-1')).toMatchObject({ degraded: false, modelVersion: '1', sources: ['personal'] })
  for (let attempt = 1; attempt <= 2; attempt++) {
    const refused = await train()
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([
      503,
      'REGISTRY_UNAVAILABLE',
      '1',
    ])
  }
  await eventually(() => world.complaints('edge-1', /model not refreshed/), (lines) => lines.length > 0) // biome-ignore format: one line
  expect(world.complaints('edge-1', /is refused: MODEL_REGISTRY_URL/)).toHaveLength(1)
  for (const name of ['edge-1', 'updater-1']) {
    await world.cluster.get(name).kill()
    world.mark()
    await world.cluster.get(name).start()
    expect(world.complaints(name, /serving the model of the local cache/), name).toHaveLength(1)
  }
  expect(await world.list('trainer-1')).toMatchObject({ degraded: false, modelVersion: '1', sources: ['personal'] })
  for (const gate of Object.values(world.gates)) gate.decide(() => 'pass')
  await trainOnCamps(world.edge.url, { factors: 16, iterations: 6 })
  expect(await modelOf(world.edge.url)).toBe('2')
  await eventually(() => world.serving('updater-1'), (version) => version === '2') // biome-ignore format: one line
})

test('a corrupt artifact is named once and never served; the model before it stays, and the mended one is taken by itself', async () => {
  await using store = await artifactOf('1')
  await store.put(store.content.map((byte, index) => (index === 100 ? byte ^ 1 : byte)))
  expect((await call(world.edge.url, 'POST', '/api/v1/models/rollback', {})).status).toBe(200)
  for (const name of ['edge-1', 'updater-1'])
    await eventually(() => world.complaints(name, /model not refreshed/), (lines) => lines.length > 0) // biome-ignore format: one line
  expect(await world.list('trainer-1')).toMatchObject({ degraded: false, modelVersion: '2', sources: ['personal'] })
  for (const name of ['edge-1', 'updater-1'])
    expect(world.complaints(name, /./), name).toEqual([expect.stringMatching(/models\/[^ ]+\/model\.bin .*checksum/)])
  await store.put(store.content)
  await eventually(() => modelOf(world.edge.url), (version) => version === '1') // biome-ignore format: one line
})

test('kill -9 of the trainer in the midst of a run: the next one takes it up, counts the attempt, and finishes it', async () => {
  const trainer = world.cluster.get('trainer-1')
  world.gates.s3.decide((request) => (request.startsWith('PUT') ? 'hang' : 'pass'))
  const { runId } = (await train({ factors: 16, iterations: 5 })).body
  const run = async () =>
    (await call<{ state: string; attempts: number; progress: number }>(world.edge.url, 'GET', `/api/v1/training/runs/${runId}`)).body // biome-ignore format: one line
  await eventually(run, ({ state, progress }) => state === 'running' && progress > 0, 30_000) // biome-ignore format: one line
  await trainer.kill()
  expect(await run()).toMatchObject({ state: 'running', attempts: 1 })
  world.gates.s3.decide(() => 'pass')
  await trainer.start()
  const over = await eventually(run, ({ state }) => state === 'finished' || state === 'rejected', 60_000) // biome-ignore format: one line
  expect(over.attempts).toBe(2)
})

test.runIf(process.platform === 'linux')(
  'a full disk of an edge costs it nothing but the model kept for a restart, says so once, and heals by itself',
  async () => {
    await using folder = await temporaryFolder('full')
    const settings = { ...world.settings, DATA_DIR: join(folder.path, 'data') }
    await using edge = await startProcess(settings, {
      ...{ program: 'services/cli/bin.js', args: ['edge'], prefix: onSmallDisk(folder.path, '1m') },
    })
    const inside = join(`/proc/${edge.child.pid}/root`, folder.path)
    await writeFile(join(inside, 'filler'), Buffer.alloc(1 << 20)).catch(() => {})
    await writeFile(join(inside, 'filler-2'), Buffer.alloc(1 << 20)).catch(() => {})
    const before = await modelOf(edge.url)
    await trainOnCamps(world.edge.url, { factors: 32, iterations: 7 })
    const after = await eventually(() => modelOf(edge.url), (version) => version !== before) // biome-ignore format: one line
    const told = () => edge.output().split('\n').filter((line) => line.includes('"code":"DISK_FULL"')) // biome-ignore format: one line
    await eventually(told, (lines) => lines.length > 0)
    expect((await call(edge.url, 'GET', '/api/v1/recommendations/user/trainer-1')).body).toMatchObject({
      ...{ degraded: false, modelVersion: after, sources: ['personal'] },
    })
    await writeFile(join(inside, 'filler'), '')
    const kept = async () => JSON.parse(await readFile(join(inside, 'data/model-cache/champion.json'), 'utf8'))
    await eventually(kept, ({ version }) => version.version === after)
    expect(told()).toEqual([expect.stringMatching(/model \d+ serves but cannot be kept.*ENOSPC/)])
  },
)

/** The model's artifact in the S3 store itself. */
async function artifactOf(version: string) {
  const { username, password, hostname, searchParams } = new URL(world.settings.ARTIFACTS_URL ?? '')
  const client = new S3Client({
    ...{ endpoint: searchParams.get('endpoint') as string, region: 'us-east-1', forcePathStyle: true },
    credentials: { accessKeyId: decodeURIComponent(username), secretAccessKey: decodeURIComponent(password) },
  })
  const { body } = await call<{ models: { version: string; runId: string }[] }>(world.edge.url, 'GET', '/api/v1/models')
  const { runId } = body.models.find((model) => model.version === version) ?? expect.fail(`no model ${version}`)
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: hostname }))
  const Key = Contents.find((object) => object.Key?.includes(`${runId}/model.bin`))?.Key
  const place = { Bucket: hostname, Key }
  const { Body, Metadata } = await client.send(new GetObjectCommand(place))
  return {
    content: (await Body?.transformToByteArray()) ?? new Uint8Array(),
    put: async (bytes: Uint8Array) =>
      void (await client.send(new PutObjectCommand({ ...place, Body: bytes, Metadata }))),
    [Symbol.asyncDispose]: async () => client.destroy(),
  }
}
