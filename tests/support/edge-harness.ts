import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { Model } from '../../engine/model/model.ts'
import { createScorer } from '../../engine/scoring/scorer.ts'
import { loadConfig } from '../../schemas/config.ts'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'
import type { Recipe } from '../../schemas/training.ts'
import { createEdge } from '../../services/edge/edge.ts'
import { createLiveSamples, type LiveSamples } from '../../services/edge/live.ts'
import { openBackends } from '../../services/runtime/backends.ts'
import { type FollowedCatalogue, followCatalogue } from '../../services/runtime/catalogue.ts'
import { BACKENDS_OF, type Backends, type ServiceContext } from '../../services/runtime/context.ts'
import { createOutages } from '../../services/runtime/outages.ts'
import { createPopularity, type Popularity } from '../../services/runtime/popularity.ts'
import type { ServingModel } from '../../services/runtime/serving-model.ts'
import { runSink } from '../../services/sink/sink.ts'
import { runUpdater } from '../../services/updater/updater.ts'
import { openCodecs } from '../../streams/codec/open.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import { topicSpecs } from '../../streams/topics.ts'

export interface EdgeHarness extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly context: ServiceContext
  readonly backends: Backends
  readonly catalogue: FollowedCatalogue
  readonly popularity: Popularity
  readonly live: LiveSamples
  readonly codecs: Codecs
  /** The model that serves from now on. */
  serve(version: string, model: Model | null): void
  /** JSON of a reply, with its status. */
  call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: unknown): Promise<Answer>
  /** Moves the clock, which otherwise runs by itself. */
  advance(milliseconds: number): void
  /** Lets `advance` alone move the clock, however long what is done meanwhile takes, until disposed. */
  stopClock(): Disposable
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  // biome-ignore lint/suspicious/noExplicitAny: the bodies of many routes, looked at by tests
  readonly body: any
}

/** An edge over real embedded backends with updater and sink at work, in a folder of its own. */
export async function openEdge(
  options: {
    readonly environment?: Readonly<Record<string, string>>
    readonly requestsInFlightMax?: number
    readonly wrap?: (backends: Backends) => Backends
    readonly consumers?: boolean
  } = {},
): Promise<EdgeHarness> {
  await using opening = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'millrace-edge-'))
  opening.defer(() => rm(folder, { recursive: true, force: true }))
  const settings = loadConfig(Settings, { DATA_DIR: folder, PARTITIONS: '4', ...options.environment })
  let ahead = 0
  let stoppedAt: number | null = null
  const context: ServiceContext = {
    settings,
    eventWeights: parseEventWeights(settings),
    logger: pino({ level: 'silent' }),
    metrics: new Registry(),
    now: () => (stoppedAt ?? Date.now()) + ahead,
  }
  const opened = opening.use(await openBackends(settings, context.now, BACKENDS_OF.edge))
  const stop = new AbortController()
  const { signal } = stop
  await opened.log.ensureTopics(topicSpecs(settings), { signal })
  const codecs = await openCodecs({ registryUrl: '', folder: join(folder, 'log') })
  let serving: ServingModel | null = null
  const models = { current: () => serving }
  const running: Promise<unknown>[] = []
  opening.defer(async () => {
    stop.abort()
    await Promise.allSettled(running)
  })
  if (options.consumers !== false) {
    running.push(runUpdater(context, opened, { codecs, models }, signal), runSink(context, opened, { codecs }, signal))
  }
  const backends = options.wrap?.(opened) ?? opened
  const outages = createOutages(context)
  const catalogue = followCatalogue({ log: opened.log, codecs, logger: context.logger, outages }, signal)
  running.push(catalogue.done)
  await catalogue.whenReady
  const file = join(folder, 'popular.json')
  const popularity = createPopularity(context, { eventStore: backends.eventStore, catalogue, file, outages })
  const lag = { current: () => [], sampledAt: () => null }
  const live = createLiveSamples(context, { log: backends.log, lag })
  const parts = { codecs, models, catalogue, popularity, lag, live, outages, consoleFolder: null }
  const limit = options.requestsInFlightMax === undefined ? {} : { requestsInFlightMax: options.requestsInFlightMax }
  const app = await createEdge(context, backends, { ...parts, ...limit })
  opening.defer(() => app.close())
  const resources = opening.move()
  return {
    ...{ app, context, backends, catalogue, popularity, live, codecs },
    serve(version, model) {
      serving = model && { version, id: version, scorer: createScorer(model), trainedAt: context.now(), metrics: {} }
    },
    async call(method, url, body) {
      const reply = await app.inject({ method, url, ...(body === undefined ? {} : { payload: body as object }) })
      const isJson = String(reply.headers['content-type']).includes('json')
      return { status: reply.statusCode, headers: reply.headers, body: isJson ? reply.json() : reply.body }
    },
    advance(milliseconds) {
      ahead += milliseconds
    },
    stopClock() {
      stoppedAt = Date.now()
      return {
        [Symbol.dispose]() {
          stoppedAt = null
        },
      }
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** A model of known geometry: items of group g (by `groupOf`) lie along axis g, the later ones a little shorter. */
export function groupedModel(itemIds: readonly string[], groupOf: (itemId: string) => number, factors = 8): Model {
  const sorted = [...itemIds].sort()
  const itemFactors = new Float32Array(sorted.length * factors)
  sorted.forEach((itemId, item) => {
    itemFactors[item * factors + groupOf(itemId)] = 1 - item / (4 * sorted.length)
    itemFactors[item * factors + factors - 1] = 0.05
  })
  const gram = new Float64Array(factors * factors)
  for (let item = 0; item < sorted.length; item++)
    for (let a = 0; a < factors; a++)
      for (let b = 0; b < factors; b++)
        gram[a * factors + b]! += itemFactors[item * factors + a]! * itemFactors[item * factors + b]!
  const recipe: Recipe = {
    ...{ factors, iterations: 1, alpha: 1, alpha0: 0.1, regularization: 0.01, nu: 0, halfLifeDays: 90, seed: 1 },
    preset: 'ials',
    solver: 'cholesky',
  }
  return { recipe, itemIds: sorted, itemFactors, gram, users: 3, interactions: 9, dataUntil: 0 }
}
