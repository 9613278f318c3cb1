import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { decodeModel, encodeModel } from '../../engine/model/encoding.ts'
import { createScorer } from '../../engine/scoring/scorer.ts'
import { loadScorer } from '../../services/runtime/load-scorer.ts'
import { createModelCache } from '../../services/runtime/model-cache.ts'
import { watchChampion } from '../../services/runtime/serving-model.ts'
import { openArtifacts } from '../../stores/artifacts/open.ts'
import { openModelRegistry } from '../../stores/model-registry/open.ts'
import { groupedModel } from '../support/edge-harness.ts'
import { temporaryFolder } from '../support/process.ts'

const signal = new AbortController().signal
const gate = { accepted: true, reasons: [] }
const { recipe } = groupedModel(['a'], () => 0)

async function open() {
  await using opening = new AsyncDisposableStack()
  const folder = opening.use(await temporaryFolder('serving-model'))
  const modelRegistry = opening.use(await openModelRegistry(`file:${folder.path}/registry`))
  const artifacts = opening.use(await openArtifacts(`file:${folder.path}/artifacts`))
  const cacheFolder = join(folder.path, 'cache')
  const watch = () =>
    watchChampion(
      { modelRegistry, artifacts },
      { cache: createModelCache(cacheFolder), logger: pino({ level: 'silent' }) },
    )
  const opened = opening.move()
  return {
    ...{ modelRegistry, artifacts, cacheFolder, watch },
    async promote(itemIds: readonly string[]): Promise<string> {
      const artifactKey = `models/${itemIds.join('-')}/model.bin`
      await artifacts.put(artifactKey, encodeModel(groupedModel(itemIds, () => 0)), { signal })
      const given = {
        runId: itemIds.join('-'),
        artifactKey,
        recipe,
        metrics: {},
        gate,
        users: 1,
        items: itemIds.length,
      }
      const { version } = await modelRegistry.registerVersion(given, { now: 1, signal })
      await modelRegistry.promote(version, { reason: 'test', now: 1, signal })
      return version
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

test('the champion is loaded once, replaced when another is promoted, and kept when that one cannot be loaded', async () => {
  await using world = await open()
  const watch = world.watch()
  await watch.refresh(signal)
  expect(watch.current()).toBeNull()
  const first = await world.promote(['a', 'b'])
  await watch.refresh(signal)
  const serving = watch.current()
  expect([serving?.version, serving?.scorer.itemIds]).toEqual([first, ['a', 'b']])
  await watch.refresh(signal)
  expect(watch.current()).toBe(serving)
  await world.promote(['a', 'b', 'c'])
  await world.artifacts.remove('models/a-b-c/model.bin', { signal })
  await watch.refresh(signal)
  expect(watch.current()).toBe(serving)
})

test('a registry that was emptied and counts from 1 again has its new version 1 loaded, and told apart from the old one', async () => {
  await using before = await open()
  await using after = await open()
  const backends = { modelRegistry: before.modelRegistry, artifacts: before.artifacts }
  const logger = pino({ level: 'silent' })
  const watch = watchChampion(backends, { cache: createModelCache(before.cacheFolder), logger })
  await before.promote(['a', 'b'])
  await watch.refresh(signal)
  const old = watch.current()
  Object.assign(backends, { modelRegistry: after.modelRegistry, artifacts: after.artifacts })
  await watch.refresh(signal)
  expect(watch.current()).toBe(old)
  await after.promote(['c', 'd'])
  await watch.refresh(signal)
  expect(watch.current()).toMatchObject({ version: '1', scorer: { itemIds: ['c', 'd'] } })
  expect(watch.current()?.id).not.toBe(old?.id)
})

test('a local cache that cannot be written costs the new model nothing, and is tried again', async () => {
  await using world = await open()
  await writeFile(world.cacheFolder, 'a file where the folder belongs')
  const watch = world.watch()
  const version = await world.promote(['a', 'b'])
  await watch.refresh(signal)
  expect(watch.current()?.version).toBe(version)
  await rm(world.cacheFolder)
  await watch.refresh(signal)
  expect((await createModelCache(world.cacheFolder).read())?.version.version).toBe(version)
})

test.each(['null', '{}', '[]', '{"version":{"version":"1"},"file":7,"checksum":"0"}', 'not JSON'])(
  'a damaged local model cache (%s) is none, and never keeps a process from starting',
  async (text) => {
    await using world = await open()
    await mkdir(world.cacheFolder)
    await writeFile(join(world.cacheFolder, 'champion.json'), text)
    expect(await createModelCache(world.cacheFolder).read()).toBeNull()
  },
)

describe('a model loaded between other work', () => {
  const SIZE = 50_000
  const groupOf = (itemId: string) => Number(itemId.slice(1)) % 5
  const itemIds = Array.from({ length: SIZE }, (_, item) => `i${(item * 7_919) % 1_000_003}`)
  const content = encodeModel(groupedModel(itemIds, groupOf))

  /** Turns of the event loop until the work is done. */
  async function turnsDuring<T>(work: Promise<T>): Promise<{ result: T; turns: number }> {
    let turns = 0
    let turning = setImmediate(function turn() {
      turns++
      turning = setImmediate(turn)
    })
    try {
      const result = await work
      return { result, turns }
    } finally {
      clearImmediate(turning)
    }
  }

  test('leaves the event loop free, and serves exactly what one made at once serves', async () => {
    const { result: loaded, turns } = await turnsDuring(loadScorer(content, signal))
    // What is done here takes some ten slices; a build on this thread would be one turn.
    expect(turns).toBeGreaterThan(50)
    const atOnce = createScorer(decodeModel(content))
    expect(loaded.itemIds).toEqual(atOnce.itemIds)
    expect(Buffer.compare(encodeModel(loaded.model), content)).toBe(0)
    const similar = await turnsDuring(loaded.prepareSimilar())
    expect(similar.turns).toBeGreaterThan(50)
    const later = Array.from({ length: 500 }, (_, at) => `later-${(at * 37) % 500}`)
    const vectors = Float32Array.from({ length: later.length * 8 }, (_, at) => Math.sin(at))
    atOnce.setSupplement(later, vectors)
    const placed = await turnsDuring(loaded.placeSupplement(later, vectors))
    expect(placed.turns).toBeGreaterThan(5)
    const allow = Uint8Array.from({ length: SIZE + later.length }, (_, item) => (item % 3 === 0 ? 1 : 0))
    for (let round = 0; round < 20; round++) {
      const vector = Float32Array.from({ length: 8 }, (_, d) => Math.cos(round + d * d))
      const exclude = Int32Array.of(round, SIZE + round)
      const item = round * 2_000
      expect(loaded.top({ vector, k: 50, exclude, allow })).toEqual(atOnce.top({ vector, k: 50, exclude, allow }))
      expect(loaded.similar(item, { k: 20 })).toEqual(atOnce.similar(item, { k: 20 }))
      expect(loaded.indexOf(itemIds[item]!)).toBe(atOnce.indexOf(itemIds[item]!))
    }
  })

  test('is refused in the words of a damaged file, and a stop ends it', async () => {
    const damaged = content.slice()
    damaged.fill(255, damaged.length - 64, damaged.length)
    await expect(loadScorer(damaged, signal)).rejects.toMatchObject({ code: 'CORRUPT_FILE' })
    await expect(loadScorer(new Uint8Array(9), signal)).rejects.toMatchObject({ code: 'UNKNOWN_FORMAT' })
    const stop = new AbortController()
    const stopped = loadScorer(content, stop.signal)
    setImmediate(() => stop.abort())
    await expect(stopped).rejects.toThrow()
  })
})
