import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Codecs } from '../../streams/codec/port.ts'
import { createLagMonitor, type LagMonitor } from '../../streams/lag.ts'
import { TOPICS } from '../../streams/topics.ts'
import { followCatalogue } from '../runtime/catalogue.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import { listen } from '../runtime/listen.ts'
import { createOutages } from '../runtime/outages.ts'
import { createPopularity } from '../runtime/popularity.ts'
import type { ServingModels } from '../runtime/serving-model.ts'
import { repeatedly, type Tasks } from '../runtime/tasks.ts'
import { createEdge } from './edge.ts'
import { createLiveSamples } from './live.ts'

const LAG_SAMPLE_MS = 1_000
const CONSOLE_FOLDER = fileURLToPath(new URL('../console/dist/', import.meta.url))
const GROUPS = [
  { group: 'sink', topics: [TOPICS.interactions] },
  { group: 'updater', topics: [TOPICS.interactions] },
  { group: 'trainer', topics: [TOPICS.training] },
]

/** An edge that listens. Dispose answers what is in flight and stops listening. */
export interface RunningEdge extends AsyncDisposable {
  readonly url: string
}

/**
 * Reads the catalogue, then listens on HOST and PORT; what runs beside it is added to `tasks`.
 * @throws MillraceError CONFIG_INVALID naming HOST or PORT where it cannot listen.
 */
export async function startEdge(
  context: ServiceContext,
  backends: BackendsOf<'edge'>,
  parts: { readonly codecs: Codecs; readonly models: ServingModels },
  tasks: Tasks,
): Promise<RunningEdge> {
  const { settings, logger, now } = context
  const { log, eventStore } = backends
  const { signal } = tasks
  const outages = createOutages(context)
  const catalogue = followCatalogue({ log, codecs: parts.codecs, logger, outages }, signal)
  tasks.add('catalogue', catalogue.done)
  const lag = createLagMonitor({ log, groups: GROUPS, now })
  const file = join(settings.DATA_DIR, 'popular.json')
  const popularity = createPopularity(context, { eventStore, catalogue, file, outages })
  const live = createLiveSamples(context, { log, lag })
  tasks.add('lag', sampleLag(context, lag, signal))
  tasks.add('popularity', popularity.run(signal))
  tasks.add('live', live.run(signal))
  const edge = await createEdge(context, backends, {
    ...{ ...parts, catalogue, popularity, lag, live, outages },
    consoleFolder: CONSOLE_FOLDER,
  })
  try {
    await catalogue.whenReady
    const url = await listen(edge, settings)
    return { url, [Symbol.asyncDispose]: () => edge.close() }
  } catch (error) {
    await edge.close()
    throw error
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
