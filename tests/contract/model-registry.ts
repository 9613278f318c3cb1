import { describe, expect, test } from 'vitest'
import type { Recipe } from '../../schemas/training.ts'
import type { ModelRegistry } from '../../stores/model-registry/port.ts'

/** One case's own registry; `open` may be called again after it was disposed. */
export interface ModelRegistryPlace extends AsyncDisposable {
  open(): Promise<ModelRegistry>
}

export interface ModelRegistryTraits {
  readonly name: string
  readonly durable: boolean
}

const signal = new AbortController().signal
const parameters = { factors: 16, preset: 'ials' as const }
const recipe: Recipe = {
  ...{ preset: 'ials', factors: 16, iterations: 5, alpha: 1, alpha0: 0.1, regularization: 0.01, nu: 1 },
  ...{ halfLifeDays: 90, solver: 'cg', seed: 7 },
}
const gate = { accepted: true, reasons: ['better than both baselines'] }
const version = (runId: string) => ({
  ...{ runId, artifactKey: `models/${runId}`, recipe, metrics: { ndcg_at_10: 0.1 + 0.2 }, gate, users: 3, items: 4 },
})
const because = (reason: string, now = 1) => ({ reason, now, signal })

/** Every promise of stores/model-registry/port.ts. */
export function testModelRegistry(makePlace: () => Promise<ModelRegistryPlace>, traits: ModelRegistryTraits): void {
  testRuns(makePlace, traits)
  testVersions(makePlace, traits)
  describe(`${traits.name} registry`, () => {
    test(`a reopened one ${traits.durable ? 'keeps' : 'forgets'} everything, and a disposed one refuses`, async () => {
      await using place = await makePlace()
      const registry = await place.open()
      await registry.createRun({ runId: 'r1', modelType: 'als', parameters }, { now: 5, signal })
      await registry.updateRun('r1', { state: 'finished', modelVersion: '1' }, { signal })
      await registry.registerVersion(version('r1'), { now: 6, signal })
      await registry.promote('1', because('first'))
      const before = await snapshot(registry)
      await registry[Symbol.asyncDispose]()
      await registry[Symbol.asyncDispose]()
      await expect(registry.getRun('r1', { signal })).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' })
      await using again = await place.open()
      const empty = { runs: [], versions: [], champion: null, history: [] }
      expect(await snapshot(again)).toEqual(traits.durable ? before : empty)
      const next = await again.registerVersion(version('r2'), { now: 7, signal })
      expect(next.version).toBe(traits.durable ? '2' : '1')
    })

    test('an aborted change answers ABORTED and changes nothing', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      const aborted = { now: 1, signal: AbortSignal.abort() }
      const creating = registry.createRun({ runId: 'r', modelType: 'als', parameters }, aborted)
      await expect(creating).rejects.toMatchObject({ code: 'ABORTED' })
      expect(await registry.listRuns({ limit: 10, signal })).toEqual([])
    })
  })
}

function testRuns(makePlace: () => Promise<ModelRegistryPlace>, traits: ModelRegistryTraits): void {
  describe(`${traits.name} registry keeps runs`, () => {
    test('a new run is queued, and unknown ones are null', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      const run = await registry.createRun(
        { runId: 'r/1 ä'.replace(' ä', ''), modelType: 'als', parameters },
        { now: 5, signal },
      )
      expect(run).toMatchObject({ runId: 'r/1', state: 'queued', attempts: 0, progress: 0, parameters, createdAt: 5 })
      expect(run).toMatchObject({ startedAt: null, finishedAt: null, gate: null, recipe: null, modelVersion: null })
      expect(await registry.getRun('r/1', { signal })).toEqual(run)
      for (const unknown of ['none', '../aliases', 'r', ''])
        expect(await registry.getRun(unknown, { signal })).toBeNull()
      await expect(registry.updateRun('none', { progress: 1 }, { signal })).rejects.toMatchObject({
        code: 'RUN_NOT_FOUND',
      })
    })

    test('the same run id twice is CONFLICT and leaves the first run as it was', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      const run = await registry.createRun({ runId: 'r', modelType: 'als', parameters }, { now: 5, signal })
      const again = registry.createRun({ runId: 'r', modelType: 'als', parameters: {} }, { now: 6, signal })
      await expect(again).rejects.toMatchObject({ code: 'CONFLICT' })
      expect(await registry.getRun('r', { signal })).toEqual(run)
    })

    test('concurrent patches of different fields all hold', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      await registry.createRun({ runId: 'r', modelType: 'als', parameters }, { now: 5, signal })
      const patches = [
        ...[{ state: 'running' as const }, { progress: 0.5 }, { message: 'fits' }, { attempts: 2 }, { startedAt: 9 }],
        ...[
          { metrics: { ndcg_at_10: 1 / 3 } },
          { lineage: { code: 'abc' } },
          { recipe },
          { gate },
          { modelVersion: '3' },
        ],
      ]
      await Promise.all(patches.map((patch) => registry.updateRun('r', patch, { signal })))
      const merged = Object.assign({}, ...patches)
      expect(await registry.getRun('r', { signal })).toMatchObject({ ...merged, runId: 'r', createdAt: 5, parameters })
    })

    test('runs are listed newest first, and no more than asked for', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      for (const runId of ['b', 'a', 'C', 'c'])
        await registry.createRun({ runId, modelType: 'als', parameters }, { now: 5, signal })
      await registry.updateRun('b', { progress: 1 }, { signal })
      const ids = async (limit: number) =>
        (await registry.listRuns({ limit, signal })).map(({ runId }) => runId).join('')
      expect([await ids(10), await ids(2), await ids(0)]).toEqual(['cCab', 'cC', ''])
    })
  })
}

function testVersions(makePlace: () => Promise<ModelRegistryPlace>, traits: ModelRegistryTraits): void {
  describe(`${traits.name} registry keeps versions and which of them serves`, () => {
    test('versions count from 1, also when registered at the same moment, and come back exactly', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      const registered = await Promise.all(
        ['a', 'b', 'c'].map((runId, index) => registry.registerVersion(version(runId), { now: index, signal })),
      )
      expect(registered.map((one) => one.version).sort()).toEqual(['1', '2', '3'])
      for (const one of registered) expect(await registry.getVersion(one.version, { signal })).toEqual(one)
      expect(await registry.getVersion('4', { signal })).toBeNull()
      const listed = await registry.listVersions({ limit: 2, signal })
      expect(listed.map((one) => one.version)).toEqual(['3', '2'])
    })

    test('two rollbacks go back two versions, and each change is in the history, newest first', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      expect(await registry.alias('champion', { signal })).toBeNull()
      for (const runId of ['a', 'b', 'c']) await registry.registerVersion(version(runId), { now: 1, signal })
      for (const one of ['1', '2', '3']) await registry.promote(one, because(`promotes ${one}`, Number(one)))
      const undone = await registry.rollback(because('bad', 4))
      expect(undone).toEqual({ alias: 'champion', from: '3', to: '2', reason: 'bad', at: 4 })
      await registry.rollback(because('worse', 5))
      expect(await registry.alias('champion', { signal })).toBe('1')
      await expect(registry.rollback(because('too far'))).rejects.toMatchObject({ code: 'CONFLICT' })
      const moves = (await registry.history({ limit: 10, signal })).map(({ from, to }) => `${from}>${to}`)
      expect(moves).toEqual(['2>1', '3>2', '2>3', '1>2', 'null>1'])
      expect(await registry.history({ limit: 1, signal })).toMatchObject([{ reason: 'worse', at: 5 }])
    })

    test('after a rollback and a new promotion the way back leads over what really served', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      for (const runId of ['a', 'b', 'c']) await registry.registerVersion(version(runId), { now: 1, signal })
      for (const one of ['1', '2']) await registry.promote(one, because('up'))
      await registry.rollback(because('down'))
      await registry.promote('3', because('up'))
      await registry.promote('3', because('the same again'))
      expect(await registry.rollback(because('down'))).toMatchObject({ from: '3', to: '1' })
      await expect(registry.rollback(because('down'))).rejects.toMatchObject({ code: 'CONFLICT' })
    })

    test('an unknown version cannot be promoted, nor one whose expected champion has changed', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      await registry.registerVersion(version('a'), { now: 1, signal })
      await expect(registry.promote('9', because('no'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
      const stale = registry.promote('1', { ...because('no'), expected: '7' })
      await expect(stale).rejects.toMatchObject({ code: 'CONFLICT' })
      expect(await registry.promote('1', { ...because('yes'), expected: null })).toMatchObject({ from: null, to: '1' })
      expect(await registry.history({ limit: 10, signal })).toHaveLength(1)
    })

    test('of concurrent promotions that expect the same champion exactly one wins', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      for (const runId of ['a', 'b', 'c', 'd']) await registry.registerVersion(version(runId), { now: 1, signal })
      const tries = ['1', '2', '3', '4'].map((one) => registry.promote(one, { ...because('race'), expected: null }))
      const outcomes = await Promise.allSettled(tries)
      const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.to] : []))
      expect(won).toHaveLength(1)
      expect(await registry.alias('champion', { signal })).toBe(won[0])
    })

    test('the challenger is set and cleared without touching the champion', async () => {
      await using place = await makePlace()
      await using registry = await place.open()
      for (const runId of ['a', 'b']) await registry.registerVersion(version(runId), { now: 1, signal })
      await registry.promote('1', because('up'))
      await registry.setChallenger('2', because('try'))
      expect(await registry.alias('challenger', { signal })).toBe('2')
      await expect(registry.setChallenger('9', because('no'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
      expect(await registry.setChallenger(null, because('enough'))).toMatchObject({
        alias: 'challenger',
        from: '2',
        to: null,
      })
      expect(await registry.alias('champion', { signal })).toBe('1')
    })
  })
}

async function snapshot(registry: ModelRegistry) {
  return {
    runs: await registry.listRuns({ limit: 10, signal }),
    versions: await registry.listVersions({ limit: 10, signal }),
    champion: await registry.alias('champion', { signal }),
    history: await registry.history({ limit: 10, signal }),
  }
}
