import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../../schemas/errors.ts'
import { openCodecs } from '../../streams/codec/open.ts'
import { createLagMonitor, type LagMonitor } from '../../streams/lag.ts'
import { TOPICS, topicSpecs } from '../../streams/topics.ts'
import { createEdge } from '../edge/edge.ts'
import { createLiveSamples } from '../edge/live.ts'
import { openBackends } from '../runtime/backends.ts'
import { followCatalogue } from '../runtime/catalogue.ts'
import type { ServiceContext } from '../runtime/context.ts'
import { createModelCache } from '../runtime/model-cache.ts'
import { createPopularity } from '../runtime/popularity.ts'
import { CHAMPION_POLL_MS, watchChampion } from '../runtime/serving-model.ts'
import { runSink } from '../sink/sink.ts'
import { runTrainer } from '../trainer/trainer.ts'
import { runUpdater } from '../updater/updater.ts'

const LAG_SAMPLE_MS = 1_000
const CONSOLE_FOLDER = fileURLToPath(new URL('../console/dist/', import.meta.url))
const GROUPS = [
  { group: 'sink', topics: [TOPICS.interactions] },
  { group: 'updater', topics: [TOPICS.interactions] },
  { group: 'trainer', topics: [TOPICS.training] },
]

/** All services in this process. Dispose stops the edge first, then the consumers, then closes every backend. */
export interface RunningMillrace extends AsyncDisposable {
  /** Where the edge listens. */
  readonly url: string
  /** Rejects when a service ends although nobody asked it to. */
  readonly failed: Promise<never>
}

/**
 * Opens every backend, starts every service and listens.
 * `opening` gives up a start that has not finished; it does not stop what runs.
 * @throws MillraceError of the part that cannot start; what was started before is closed again.
 */
export async function startMillrace(context: ServiceContext, opening: AbortSignal): Promise<RunningMillrace> {
  const { settings, logger, now } = context
  await using stack = new AsyncDisposableStack()
  const backends = stack.use(await openBackends(settings, now))
  await backends.log.ensureTopics(topicSpecs(settings), { signal: opening })
  const codecs = await openCodecs({
    registryUrl: settings.SCHEMA_REGISTRY_URL,
    folder: join(settings.DATA_DIR, 'schema-registry'),
  })

  const tasks = stack.use(startTasks())
  const { signal } = tasks
  const catalogue = followCatalogue({ log: backends.log, codecs, logger }, signal)
  tasks.add('catalogue', catalogue.done)
  const models = watchChampion(backends, { cache: createModelCache(join(settings.DATA_DIR, 'model-cache')), logger })
  await models.refresh(opening)
  const lag = createLagMonitor({ log: backends.log, groups: GROUPS, now })
  const popularity = createPopularity(context, {
    eventStore: backends.eventStore,
    catalogue,
    file: join(settings.DATA_DIR, 'popular.json'),
  })
  const live = createLiveSamples(context, { log: backends.log, lag })
  tasks.add(
    'champion',
    repeatedly(CHAMPION_POLL_MS, () => models.refresh(signal), signal),
  )
  tasks.add('lag', sampleLag(context, lag, signal))
  tasks.add('popularity', popularity.run(signal))
  tasks.add('live', live.run(signal))
  tasks.add('sink', runSink(context, backends, { codecs }, signal))
  tasks.add('updater', runUpdater(context, backends, { codecs, models }, signal))
  tasks.add('trainer', runTrainer(context, backends, { codecs }, signal))

  const edge = await createEdge(context, backends, {
    ...{ codecs, models, catalogue, popularity, lag, live },
    consoleFolder: CONSOLE_FOLDER,
  })
  stack.defer(() => edge.close())
  await catalogue.whenReady
  opening.throwIfAborted()
  const url = await listen(edge, settings)
  const running = stack.move()
  return { url, failed: tasks.failed, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

interface Tasks extends AsyncDisposable {
  readonly signal: AbortSignal
  readonly failed: Promise<never>
  /** A service that runs until the signal aborts; ending earlier fails the whole. */
  add(name: string, running: Promise<void>): void
}

function startTasks(): Tasks {
  const stopping = new AbortController()
  const running: Promise<void>[] = []
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  return {
    signal: stopping.signal,
    failed: failure.promise,
    add(name, task) {
      const ended = task.then(
        () => {
          if (!stopping.signal.aborted) failure.reject(new Error(`${name} ended although nobody stopped it`))
        },
        (error) => {
          if (!stopping.signal.aborted) failure.reject(error)
        },
      )
      running.push(ended)
    },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await Promise.all(running)
    },
  }
}

async function repeatedly(everyMs: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(everyMs, undefined, { signal }).catch(() => undefined)
    if (!signal.aborted) await work()
  }
}

/** A log that does not answer leaves the last sample; the consumers report the outage themselves. */
function sampleLag({ logger }: ServiceContext, lag: LagMonitor, signal: AbortSignal): Promise<void> {
  return repeatedly(
    LAG_SAMPLE_MS,
    async () => {
      try {
        await lag.sample(signal)
      } catch (error) {
        if (!signal.aborted) logger.debug({ reason: (error as Error).message }, 'lag not sampled')
      }
    },
    signal,
  )
}

async function listen(
  edge: Awaited<ReturnType<typeof createEdge>>,
  { HOST, PORT }: ServiceContext['settings'],
): Promise<string> {
  try {
    return await edge.listen({ host: HOST, port: PORT })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      throw new MillraceError('CONFIG_INVALID', `port ${PORT} on ${HOST} is taken; set PORT to another`, { cause })
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL')
      throw new MillraceError(
        'CONFIG_INVALID',
        `cannot listen on ${HOST} port ${PORT} (${code}); correct HOST or PORT`,
        { cause },
      )
    throw cause
  }
}
