import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Recipe } from '../../schemas/training.ts'
import { openMlflowModelRegistry } from '../../stores/model-registry/mlflow/model-registry.ts'
import { openModelRegistry } from '../../stores/model-registry/open.ts'
import type { ModelRegistry } from '../../stores/model-registry/port.ts'
import { openGate } from './http-gate.ts'
import { startPrivateServices } from './private-services.ts'
import { serviceUrl } from './service-url.ts'

const signal = new AbortController().signal
const recipe: Recipe = {
  ...{ preset: 'ials', factors: 16, iterations: 5, alpha: 1, alpha0: 0.1, regularization: 0.01, nu: 1 },
  ...{ halfLifeDays: 90, solver: 'cg', seed: 7 },
}
const gate = { accepted: true, reasons: ['better'] }
const because = (reason: string) => ({ reason, now: 1, signal })
const newName = () => `test-${randomUUID()}`
const opened = (url: string, name: string) => openModelRegistry(`${url}/?name=${name}`, { unreachable: 'refuse' })

test("two processes that change the aliases at once end in one order, across the ledger's pieces", async () => {
  const name = newName()
  const [one, other] = await Promise.all([opened(serviceUrl('mlflow'), name), opened(serviceUrl('mlflow'), name)])
  await using _one = one
  await using _other = other
  for (const runId of ['a', 'b', 'c']) await registerVersion(one, runId)
  const worker = async (registry: ModelRegistry, name: string) => {
    for (let round = 0; round < 20; round++) {
      const version = String(1 + (round % 3))
      if (round % 4 === 3) await registry.setChallenger(version, because(`${name} ${round}`))
      else await registry.promote(version, because(`${name} ${round}`))
    }
  }
  await Promise.all([worker(one, 'one'), worker(other, 'other')])
  const oldestFirst = (await one.history({ limit: 1_000, signal })).toReversed()
  expect(oldestFirst).toHaveLength(40)
  const now: Record<string, string | null> = { champion: null, challenger: null }
  for (const { alias, from, to } of oldestFirst) {
    expect(from).toBe(now[alias])
    now[alias] = to
  }
  expect(await other.history({ limit: 1_000, signal })).toEqual(oldestFirst.toReversed())
  expect(await shownAliases(name)).toEqual(now)
  const before = oldestFirst.filter(({ alias, from, to }) => alias === 'champion' && from !== to).at(-1)?.from
  expect(await other.rollback(because('back'))).toMatchObject({ to: before })
  await using late = await opened(serviceUrl('mlflow'), name)
  expect(await late.alias('champion', { signal })).toBe(before)
  expect(await late.history({ limit: 3, signal })).toEqual(await one.history({ limit: 3, signal }))
}, 120_000)

test('what MLflow shows of a run, a version and the aliases is what they are', async () => {
  const name = newName()
  await using registry = await opened(serviceUrl('mlflow'), name)
  await registry.createRun({ runId: 'r', modelType: 'als', parameters: { factors: 16 } }, { now: 5, signal })
  const { version } = await registerVersion(registry, 'r')
  await registry.promote(version, because('good'))
  const patch = { state: 'finished', recipe, metrics: { ndcg_at_10: 0.25 }, startedAt: 6, finishedAt: 9 } as const
  await registry.updateRun('r', patch, { signal })
  const registered = (await ask(`registered-models/get?name=${name}`)).registered_model
  expect(registered).toMatchObject({ aliases: [{ alias: 'champion', version }] })
  const { run_id } = (await ask(`model-versions/get?name=${name}&version=${version}`)).model_version
  const { run } = await ask(`runs/get?run_id=${run_id}`)
  expect(run.info).toMatchObject({ status: 'FINISHED', end_time: 9 })
  expect(run.data.metrics).toMatchObject([{ key: 'ndcg_at_10', value: 0.25 }])
  expect(run.data.params).toContainEqual({ key: 'factors', value: '16' })
  expect(run.data.params).toContainEqual({ key: 'regularization', value: '0.01' })
})

test('values longer than a tag come back whole, and one that was altered is CORRUPT_FILE', async () => {
  const name = newName()
  const long = { message: 'Ä "quoted" \\ \n'.repeat(1_000), lineage: { positions: 'x'.repeat(20_000) } }
  await using registry = await opened(serviceUrl('mlflow'), name)
  await registry.createRun({ runId: 'r', modelType: 'als', parameters: {} }, { now: 5, signal })
  await registry.updateRun('r', long, { signal })
  const reasons = Array.from({ length: 50 }, (_, index) => `${index} ${'because '.repeat(40)}`)
  await registerVersion(registry, 'r', reasons)
  await registry.promote('1', because('\u0001é'.repeat(5_000)))
  await using reader = await opened(serviceUrl('mlflow'), name)
  expect(await reader.getRun('r', { signal })).toMatchObject(long)
  expect((await reader.getVersion('1', { signal }))?.gate.reasons).toEqual(reasons)
  expect((await reader.history({ limit: 1, signal }))[0]?.reason.slice(0, 4)).toBe('\u0001é\u0001é')

  const { experiment } = await ask(`experiments/get-by-name?experiment_name=${name}`)
  const folder = `${serviceUrl('mlflow')}/api/2.0/mlflow-artifacts/artifacts`
  const path = `${experiment.experiment_id}/values/millrace-values`
  const { files } = await (await fetch(`${folder}?path=${path}`)).json()
  expect(files).toHaveLength(3)
  for (const file of files) await fetch(`${folder}/${path}/${file.path}`, { method: 'PUT', body: '"altered"' })
  await using late = await opened(serviceUrl('mlflow'), name)
  await expect(late.getRun('r', { signal })).rejects.toMatchObject({ code: 'CORRUPT_FILE' })
  await expect(late.getVersion('1', { signal })).rejects.toMatchObject({ code: 'CORRUPT_FILE' })
})

test('an alias moved by hand in MLflow changes nothing here and is set back at the next start', async () => {
  const name = newName()
  await using registry = await opened(serviceUrl('mlflow'), name)
  for (const runId of ['a', 'b']) await registerVersion(registry, runId)
  await registry.promote('1', because('first'))
  await ask('registered-models/alias', { name, alias: 'champion', version: '2' })
  expect(await registry.alias('champion', { signal })).toBe('1')
  await using _again = await opened(serviceUrl('mlflow'), name)
  expect(await shownAliases(name)).toEqual({ champion: '1', challenger: null })
})

test('answers that are lost on the way make nothing twice', async () => {
  await using proxy = await openGate(serviceUrl('mlflow'))
  await using registry = await opened(proxy.url, newName())
  let lost = 0
  const seen = new Set<string>()
  proxy.decide((request) => {
    if (seen.has(request)) return 'pass'
    seen.add(request)
    lost++
    return 'lose'
  })
  await registry.createRun({ runId: 'r', modelType: 'als', parameters: {} }, { now: 5, signal })
  await registerVersion(registry, 'r')
  await registry.promote('1', because('once'))
  await registry.updateRun('r', { state: 'finished', finishedAt: 7 }, { signal })
  expect(lost).toBeGreaterThan(5)
  expect(await registry.listRuns({ limit: 10, signal })).toMatchObject([{ runId: 'r', state: 'finished' }])
  expect(await registry.listVersions({ limit: 10, signal })).toMatchObject([{ version: '1' }])
  expect(await registry.history({ limit: 10, signal })).toMatchObject([{ from: null, to: '1', reason: 'once' }])
})

test('wrong credentials and what is no MLflow are one line at opening that names the setting and no secret', async () => {
  await using proxy = await openGate(serviceUrl('mlflow'))
  const right = `Basic ${Buffer.from('mill:r@ce').toString('base64')}`
  proxy.decide((_request, { authorization }) => (authorization === right ? 'pass' : 'refuse'))
  const withUser = (user: string) => proxy.url.replace('://', `://${user}@`)
  const refused = await openModelRegistry(withUser('mill:wrong-secret')).catch((error: Error) => error)
  expect(refused).toMatchObject({ code: 'CONFIG_INVALID', field: 'MODEL_REGISTRY_URL' })
  expect((refused as Error).message).toMatch(/^MODEL_REGISTRY_URL \(http:\/\/127.0.0.1:\d+\): .*401.*password$/)
  expect((refused as Error).message).not.toContain('wrong-secret')
  await using registry = await opened(withUser('mill:r%40ce'), newName())
  proxy.decide(() => 'refuse')
  await expect(registry.alias('champion', { signal })).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' })
  proxy.decide(() => 'pass')
  expect(await registry.alias('champion', { signal })).toBeNull()

  const noMlflow = openModelRegistry(serviceUrl('s3').replace(/\/\/.*@/, '//'))
  await expect(noMlflow).rejects.toMatchObject({ code: 'CONFIG_INVALID', field: 'MODEL_REGISTRY_URL' })
})

test.for([
  'http://',
  'http://host:port',
  'http://host/?name=a%20b',
  'http://host/?nmae=a',
  'http://user%:secret@host/',
])('%s is CONFIG_INVALID', async (url) => {
  const refused = await openModelRegistry(url).catch((error: Error) => error)
  expect(refused).toMatchObject({ code: 'CONFIG_INVALID', field: 'MODEL_REGISTRY_URL' })
  expect((refused as Error).message).not.toContain('secret')
})

test('a silent server is given up, and cut connections are tried again', async () => {
  await using proxy = await openGate(serviceUrl('mlflow'))
  await using registry = await opened(proxy.url, newName())
  proxy.decide(() => 'hang')
  const waiting = registry.alias('champion', { signal: AbortSignal.timeout(200) })
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
  const hasty = openMlflowModelRegistry(proxy.url, { unreachable: 'refuse', timeoutMs: 300 })
  const refused = { code: 'REGISTRY_UNAVAILABLE', message: expect.stringContaining('no answer within 300 ms') }
  await expect(hasty).rejects.toMatchObject(refused)
  let cuts = 0
  proxy.decide(() => (cuts++ < 2 ? 'cut' : 'pass'))
  expect(await registry.alias('champion', { signal })).toBeNull()
  proxy.decide(() => 'cut')
  await expect(registry.alias('champion', { signal })).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' })
})

test('a server that stops is REGISTRY_UNAVAILABLE, and when it is back everything goes on by itself', async () => {
  await using services = await startPrivateServices(['mlflow'])
  const url = services.url('mlflow')
  await using registry = await openModelRegistry(url)
  await registerVersion(registry, 'a')
  await registry.promote('1', because('first'))
  await services.stop('mlflow')
  const unavailable = await registry.alias('champion', { signal }).catch((error: Error) => error)
  expect(unavailable).toMatchObject({ code: 'REGISTRY_UNAVAILABLE' })
  expect((unavailable as Error).message).toContain(`MODEL_REGISTRY_URL (${url}): `)
  await expect(registry.rollback(because('no'))).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' })
  await expect(openModelRegistry(url, { unreachable: 'refuse' })).rejects.toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
  })
  await using late = await openModelRegistry(url)
  await expect(late.listRuns({ limit: 1, signal })).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' })
  await services.start('mlflow')
  expect(await registry.alias('champion', { signal })).toBe('1')
  await registerVersion(late, 'b')
  expect(await late.promote('2', because('second'))).toMatchObject({ from: '1', to: '2' })
  expect(await registry.alias('champion', { signal })).toBe('2')
})

async function registerVersion(registry: ModelRegistry, runId: string, reasons: readonly string[] = gate.reasons) {
  const version = { runId, artifactKey: `models/${runId}`, recipe, metrics: { ndcg_at_10: 0.3 }, users: 3, items: 4 }
  return await registry.registerVersion({ ...version, gate: { accepted: true, reasons } }, { now: 6, signal })
}

async function ask(path: string, body?: object) {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(`${serviceUrl('mlflow')}/api/2.0/mlflow/${path}`, body === undefined ? {} : init)
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return await response.json()
}

async function shownAliases(name: string) {
  const { aliases = [] } = (await ask(`registered-models/get?name=${name}`)).registered_model
  const entries = aliases.map(({ alias, version }: { alias: string; version: string }) => [alias, version])
  return { champion: null, challenger: null, ...Object.fromEntries(entries) }
}
