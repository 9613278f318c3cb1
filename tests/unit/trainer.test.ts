import { once } from 'node:events'
import { globSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeModel } from '../../engine/model/encoding.ts'
import type { StoredEvent } from '../../schemas/interaction.ts'
import type { Settings } from '../../schemas/settings.ts'
import type { TrainingParameters } from '../../schemas/training.ts'
import { requestTraining } from '../../services/runtime/training-request.ts'
import { failLostRuns } from '../../services/trainer/lost-runs.ts'
import { evaluationKey, modelKey, promoteIfAccepted } from '../../services/trainer/outcome.ts'
import { packIds, unpackIds } from '../../services/trainer/packed-ids.ts'
import { readSavedSearch, searchKey } from '../../services/trainer/saved-search.ts'
import { runTrainer } from '../../services/trainer/trainer.ts'
import type { TrainingRun } from '../../stores/model-registry/port.ts'
import { TOPICS } from '../../streams/topics.ts'
import { eventually } from '../support/eventually.ts'
import { plantedEvents } from '../support/tastes.ts'
import { openWorld, type World } from './consumer-world.ts'

const SETTINGS: Partial<Settings> = { TRAIN_SCHEDULE: 'never', TRAIN_TRIALS: 1, TRAIN_THREADS: 1 }
const FAST: TrainingParameters = { iterations: 5 }
const HOPELESS: TrainingParameters = { factors: 8, iterations: 1, regularization: 1e6, nu: 1 }

let world: World
beforeEach(async () => {
  world = await openWorld()
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
})

const PLANTED = { users: 60, groups: 4, itemsPerGroup: 40, events: 3_000, seed: 4, from: Date.UTC(2026, 0, 1) }

function storedEvents(planted: ReturnType<typeof plantedEvents>, firstOffset = 0): StoredEvent[] {
  return planted.map(({ user, item, type, at }, index) => {
    const offset = firstOffset + index
    return {
      ...{ operation: 'assert', eventId: `e${offset}`, userId: user, itemId: item, type, timestamp: at },
      ...{ value: null, requestId: null, context: null },
      ...{ topic: TOPICS.interactions, partition: 0, offset, appendedAt: at },
    }
  })
}

async function storePlantedEvents(): Promise<void> {
  await world.backends.eventStore.insert(storedEvents(plantedEvents(PLANTED)), { signal: world.signal })
}

/** A run's evaluation and its encoded model. */
async function outcomeOf(runId: string) {
  const { artifacts } = world.backends
  const evaluation = await artifacts.get(evaluationKey(runId), { signal: world.signal })
  const model = await artifacts.get(modelKey(runId), { signal: world.signal })
  if (evaluation === null || model === null) throw new Error(`run ${runId} left nothing`)
  return [JSON.parse(new TextDecoder().decode(evaluation)), model] as const
}

const scoreOf = (trial: { ndcg_at_10: number }): number => trial.ndcg_at_10

const request = (parameters: TrainingParameters = FAST, runId?: string) =>
  requestTraining(world.backends, world.codecs, parameters, Date.now(), runId === undefined ? {} : { runId })

/** Runs a trainer until `done` holds, then stops it and waits for its end. */
async function withTrainer<T>(
  work: () => Promise<T>,
  context = world.context(SETTINGS),
  backends = world.backends,
): Promise<T> {
  const stop = new AbortController()
  const running = runTrainer(context, backends, { codecs: world.codecs, retryDelayMs: 1 }, stop.signal)
  try {
    return await Promise.race([work(), running.then(() => Promise.reject(new Error('the trainer ended by itself')))])
  } finally {
    stop.abort()
    await running
  }
}

/** Backends that take a model only once the trainer is stopped: until then its run has not ended, however fast it is. */
function withoutEnd(): World['backends'] {
  const { artifacts } = world.backends
  const put: typeof artifacts.put = async (key, content, options) => {
    if (key.endsWith('/model.bin') && !options.signal.aborted) await once(options.signal, 'abort')
    return artifacts.put(key, content, options)
  }
  return { ...world.backends, artifacts: { ...artifacts, put } }
}

async function runNow(runId: string): Promise<TrainingRun> {
  const run = await world.backends.modelRegistry.getRun(runId, { signal: world.signal })
  if (run === null) throw new Error(`run ${runId} is gone`)
  return run
}

const ended = (runId: string) =>
  eventually(
    () => runNow(runId),
    ({ state }) => state !== 'queued' && state !== 'running',
    45_000,
  )

const champion = () => world.backends.modelRegistry.alias('champion', { signal: world.signal })

describe('a run', () => {
  test('is trained, judged, registered with its lineage, and serves', async () => {
    await storePlantedEvents()
    const { runId } = await request()
    const run = await withTrainer(() => ended(runId))
    expect(run, run.message).toMatchObject({ state: 'finished', attempts: 1, progress: 1, gate: { accepted: true } })
    expect(await champion()).toBe(run.modelVersion)
    expect(run.metrics.ndcg_at_10).toBeGreaterThan(run.metrics.popularity_ndcg_at_10 ?? 1)
    expect(run.recipe).toMatchObject({ iterations: 5, factors: 64 })
    expect(JSON.parse(run.lineage.positions ?? '')).toEqual({ 'interactions/0': 3_000 })
    expect(run.lineage).toMatchObject({ events: '3000', champion: '', data_from: '2026-01-01T00:00:00.000Z' })
    const encoded = await world.backends.artifacts.get(modelKey(runId), { signal: world.signal })
    if (encoded === null) throw new Error('the model was not stored')
    expect(decodeModel(encoded)).toMatchObject({ users: 60, recipe: run.recipe })
    const evaluation = await world.backends.artifacts.get(evaluationKey(runId), { signal: world.signal })
    expect(JSON.parse(new TextDecoder().decode(evaluation ?? undefined))).toMatchObject({
      split: { trainEvents: 2_700, holdoutEvents: 300 },
      championRecipe: null,
    })
  })

  test('that the gate rejects is registered, with its reasons, but never serves: not even the first one', async () => {
    await storePlantedEvents()
    const { runId } = await request(HOPELESS)
    const run = await withTrainer(() => ended(runId))
    expect(run).toMatchObject({ state: 'rejected', gate: { accepted: false } })
    expect(run.gate?.reasons[0]).toMatch(/not above/)
    expect(run.message).toMatch(/does not serve/)
    expect(run.modelVersion).not.toBeNull()
    expect(await champion()).toBeNull()
  })

  test('fails at once, in words, when there is nothing to learn from', async () => {
    const { runId } = await request()
    const run = await withTrainer(() => ended(runId))
    expect(run).toMatchObject({ state: 'failed', attempts: 1, modelVersion: null })
    expect(run.message).toMatch(/0 events of 0 users/)
  })

  test('that keeps failing is tried three times, then failed with the reason', async () => {
    await storePlantedEvents()
    const first = await request()
    const second = await withTrainer(async () => {
      await ended(first.runId)
      await world.backends.artifacts.remove(modelKey(first.runId), { signal: world.signal })
      return await ended((await request()).runId)
    })
    expect(second).toMatchObject({ state: 'failed', attempts: 3 })
    expect(second.message).toMatch(/artifact models\/.* is missing.*attempt 3 of 3/)
  })

  test('named by nobody, and a request that cannot be read, do not stand in the way of the next', async () => {
    await storePlantedEvents()
    const value = world.codecs.trainingRequest.encode({ runId: 'nobody-knows-me' })
    const records = [
      { key: 'a', value },
      { key: 'b', value: Uint8Array.of(9, 9, 9) },
    ]
    await world.backends.log.append(TOPICS.training, records, { signal: world.signal })
    const { runId } = await request()
    expect((await withTrainer(() => ended(runId))).state).toBe('finished')
  })
})

describe('after an interruption', () => {
  test('a run that a crash left running is taken up again and counts one more attempt', async () => {
    await storePlantedEvents()
    const { runId } = await request()
    await world.backends.modelRegistry.updateRun(runId, { state: 'running', attempts: 1 }, { signal: world.signal })
    expect(await withTrainer(() => ended(runId))).toMatchObject({ state: 'finished', attempts: 2 })
  })

  test('a run that three attempts did not survive is given up', async () => {
    await storePlantedEvents()
    const { runId } = await request()
    await world.backends.modelRegistry.updateRun(runId, { state: 'running', attempts: 3 }, { signal: world.signal })
    const run = await withTrainer(() => ended(runId))
    expect(run).toMatchObject({ state: 'failed', attempts: 3, modelVersion: null })
    expect(run.message).toMatch(/given up after 3 attempts/)
  })

  test('a version registered before the crash is promoted, not trained again', async () => {
    await storePlantedEvents()
    const { runId } = await request()
    const done = await withTrainer(() => ended(runId))
    const { modelRegistry } = world.backends
    await modelRegistry.updateRun(runId, { state: 'running', modelVersion: null }, { signal: world.signal })
    const value = world.codecs.trainingRequest.encode({ runId })
    await world.backends.log.append(TOPICS.training, [{ key: runId, value }], { signal: world.signal })
    const again = await withTrainer(() => ended(runId))
    expect(again).toMatchObject({ state: 'finished', attempts: 2, modelVersion: done.modelVersion })
    expect(await modelRegistry.listVersions({ limit: 10, signal: world.signal })).toHaveLength(1)
  })

  test('a stop in good order costs no attempt, and the next trainer finishes the run', async () => {
    await storePlantedEvents()
    const { runId } = await request({ iterations: 100 })
    const underWay = () =>
      eventually(
        () => runNow(runId),
        ({ progress }) => progress > 0,
      )
    await withTrainer(underWay, world.context(SETTINGS), withoutEnd())
    expect(await runNow(runId)).toMatchObject({ state: 'queued', attempts: 0 })
    expect(await withTrainer(() => ended(runId))).toMatchObject({ state: 'finished', attempts: 1 })
  })

  test('finished trials are not fitted again, on the events of the first attempt, to the same end', async () => {
    const trials = { ...SETTINGS, TRAIN_TRIALS: 6 }
    const slow: TrainingParameters = { factors: 8, iterations: 30 }
    await storePlantedEvents()
    const { runId } = await request(slow, 'interrupted')
    const { artifacts, modelRegistry, eventStore } = world.backends
    const saved = async () => {
      const content = await artifacts.get(searchKey(runId), { signal: world.signal })
      return content && JSON.parse(new TextDecoder().decode(content))
    }
    const searching = () => eventually(saved, (search) => search?.state.trials.length >= 2)
    await withTrainer(searching, world.context(trials), withoutEnd())
    // As a crash leaves it: one attempt counted, the run still marked as running, the search not at its end.
    await modelRegistry.updateRun(runId, { state: 'running', attempts: 1 }, { signal: world.signal })
    const search = await saved()
    const done: { score: number }[] = search.state.trials.slice(0, 2)
    search.state.trials = done
    // A mark on the worst trial, too small to change the search, shows whether it is taken or fitted again.
    const worst = done.reduce((least, trial) => (trial.score < least.score ? trial : least))
    worst.score *= 0.999
    const marked = new TextEncoder().encode(JSON.stringify(search))
    await artifacts.put(searchKey(runId), marked, { signal: world.signal })
    const later = storedEvents(plantedEvents({ ...PLANTED, events: 500, seed: 9, from: Date.UTC(2026, 6, 1) }), 3_000)
    await eventStore.insert(later, { signal: world.signal })
    const resumed = await withTrainer(() => ended(runId), world.context(trials))
    expect(resumed, resumed.message).toMatchObject({ attempts: 2, lineage: { events: '3000' } })
    const [evaluation, model] = await outcomeOf(runId)
    expect(evaluation.trials.slice(0, done.length).map(scoreOf)).toEqual(done.map(({ score }) => score))
    expect(await saved()).toBeNull()

    await world[Symbol.asyncDispose]()
    world = await openWorld()
    await storePlantedEvents()
    const whole = await withTrainer(async () => ended((await request(slow, 'whole')).runId), world.context(trials))
    const [expected, sameModel] = await outcomeOf('whole')
    const place = done.indexOf(worst)
    expect(expected.trials[place].ndcg_at_10 * 0.999).toBe(worst.score)
    const unmarked = (at: { trials: object[] }) => ({ ...at, trials: at.trials.toSpliced(place, 1) })
    expect(unmarked(evaluation)).toEqual(unmarked(expected))
    expect(expected.trials).toHaveLength(8)
    expect(Buffer.compare(model, sameModel)).toBe(0)
    expect(whole.recipe).toEqual(resumed.recipe)
  }, 120_000)

  test('a saved search that cannot be read is none', async () => {
    await storePlantedEvents()
    const { runId } = await request()
    const { artifacts } = world.backends
    for (const text of ['not JSON', '{"version":2}', '{"version":1,"positions":{},"state":null}']) {
      await artifacts.put(searchKey(runId), new TextEncoder().encode(text), { signal: world.signal })
      expect(await readSavedSearch(runId, artifacts, world.signal)).toBeNull()
    }
    const folder = world.context().settings.DATA_DIR
    const [file] = globSync(`${folder}/artifacts/keys/**/*search.json*`)
    await appendFile(file ?? '', 'what a broken disk leaves')
    await expect(artifacts.get(searchKey(runId), { signal: world.signal })).rejects.toMatchObject({
      code: 'CORRUPT_FILE',
    })
    expect(await readSavedSearch(runId, artifacts, world.signal)).toBeNull()
    expect(await withTrainer(() => ended(runId))).toMatchObject({ state: 'finished' })
  })

  test('a champion that changed meanwhile is not replaced by a comparison that no longer holds', async () => {
    await storePlantedEvents()
    const { runId } = await request()
    const run = await withTrainer(() => ended(runId))
    const version = await world.backends.modelRegistry.getVersion(run.modelVersion ?? '', { signal: world.signal })
    if (version === null) throw new Error('the version is gone')
    const { version: _version, createdAt: _createdAt, ...copy } = version
    const options = { now: Date.now(), signal: world.signal }
    const other = await world.backends.modelRegistry.registerVersion({ ...copy, runId: 'other' }, options)
    const verdict = await promoteIfAccepted(other, null, world.backends, options)
    expect(verdict.accepted).toBe(false)
    expect(verdict.reasons[0]).toMatch(/champion changed from none to 1/)
    expect(await champion()).toBe('1')
  })
})

test('a run whose request retention removed is failed in words once no request is left; one that is waited for is not', async () => {
  const { backends, signal } = world
  const later = { ...world.context(SETTINGS), now: () => Date.now() + 61_000 }
  const { runId: lost } = await backends.modelRegistry.createRun(
    { runId: 'lost', modelType: 'als', parameters: {} },
    { now: Date.now(), signal },
  )
  await failLostRuns(world.context(SETTINGS), backends, signal)
  const { runId: waiting } = await request()
  await failLostRuns(later, backends, signal)
  expect([(await runNow(lost)).state, (await runNow(waiting)).state]).toEqual(['queued', 'queued'])
  await withTrainer(() => ended(waiting))
  await failLostRuns(later, backends, signal)
  expect(await runNow(lost)).toMatchObject({ state: 'failed', message: expect.stringMatching(/no longer in the log/) })
  expect((await runNow(waiting)).message).not.toMatch(/no longer in the log/)
})

describe('the schedule', () => {
  test('requests runs through the log', async () => {
    const { modelRegistry } = world.backends
    const runs = await withTrainer(
      () =>
        eventually(
          () => modelRegistry.listRuns({ limit: 5, signal: world.signal }),
          ({ length }) => length > 0,
        ),
      world.context({ ...SETTINGS, TRAIN_SCHEDULE: '* * * * * *' }),
    )
    expect(runs[0]).toMatchObject({ modelType: 'als', parameters: {} })
  })

  test('that is no cron expression is refused by name', async () => {
    const context = world.context({ ...SETTINGS, TRAIN_SCHEDULE: 'at dawn' })
    await expect(runTrainer(context, world.backends, world, world.signal)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/TRAIN_SCHEDULE "at dawn"/),
    })
  })
})

test('the metrics show the champion and count runs by state', async () => {
  await storePlantedEvents()
  const context = world.context(SETTINGS)
  const { runId } = await request()
  await withTrainer(async () => {
    const run = await ended(runId)
    const complete = (shown: string) => shown.includes('ml_training_duration_seconds_count 1')
    const text = await eventually(() => context.metrics.metrics(), complete)
    expect(text).toContain('training_runs_total{state="finished"} 1')
    expect(text).toContain(`ml_model_accuracy{metric="ndcg_at_10"} ${run.metrics.ndcg_at_10}`)
    expect(text).not.toContain('popularity_ndcg')
  }, context)
})

test('ids come back from shared memory as they went in', async () => {
  const ids = ['a', '', '~!x', 'é'.normalize('NFC')].concat(Array.from({ length: 25_000 }, (_, index) => `id-${index}`))
  const packed = await packIds(ids)
  expect(packed.bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
  expect(unpackIds(packed)).toEqual(ids)
})
