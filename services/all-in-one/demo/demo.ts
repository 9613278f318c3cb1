import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { createEdgeClient, type EdgeClient } from './edge-client.ts'
import { readStatus } from './edge-status.ts'
import { type Film, loadFilms } from './films.ts'
import { trainFirstModel } from './first-model.ts'
import { streamVisits } from './live-stream.ts'
import { simulatePast } from './past.ts'
import { type Random, seededRandom } from './random.ts'
import { createShelves, createVisitors, type Shelves, type Visitor } from './visitors.ts'

export interface DemoOptions {
  /** The edge, e.g. `http://127.0.0.1:7070`. */
  readonly url: string
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Drives the live stream. */
  readonly random: Random
  /** Of tastes and past, so that visitors keep their tastes over restarts and an interrupted past is sent again the same. */
  readonly seed?: number
  /** Ids of the live events; random UUIDs by default. */
  readonly newId?: () => string
  readonly logger: Logger
  /** Told in words what the demo does, for the terminal. */
  readonly onProgress: (message: string) => void
  readonly visitors?: number
  readonly pastEvents?: number
  /** Average of the live stream. */
  readonly eventsPerSecond?: number
}

const SEED = 1995
const VISITORS = 400
const PAST_EVENTS = 12_000
const PAST_DAYS = 42
const EVENTS_PER_SECOND = 10
const ITEMS_PER_REQUEST = 1_000
const EVENTS_PER_REQUEST = 1_000
const RETRY_DELAY_MS = 5_000

/**
 * Runs the demo against an edge over HTTP until `signal` aborts: loads the film catalogue and a simulated past once,
 * trains the first model when there is none, then lets simulated visitors (`sim-001`, ...) stream events gently.
 * Leaves a data folder alone that holds anything else. A failing edge is tried again; only the abort ends it, without
 * an error.
 */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const films = await loadFilms()
  const shelves = createShelves(films)
  const visitors = createVisitors(shelves, {
    count: options.visitors ?? VISITORS,
    random: seededRandom(options.seed ?? SEED),
  })
  const client = createEdgeClient(options.url, signal)
  while (!signal.aborted) {
    try {
      await runOnce(options, { films, shelves, visitors, client }, signal)
      return
    } catch (error) {
      if (signal.aborted) return
      options.logger.warn({ err: error }, `the demo was interrupted and goes on in ${RETRY_DELAY_MS / 1_000} s`)
      await delay(RETRY_DELAY_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

interface Cast {
  readonly films: readonly Film[]
  readonly shelves: Shelves
  readonly visitors: readonly Visitor[]
  readonly client: EdgeClient
}

async function runOnce(options: DemoOptions, cast: Cast, signal: AbortSignal): Promise<void> {
  const status = await readStatus(cast.client)
  const pastEvents = options.pastEvents ?? PAST_EVENTS
  const known = Math.max(status.logEvents, status.storedEvents)
  if (known > 0 && !(await isFilmFolder(cast))) {
    options.onProgress('the data folder holds other data, so the film demo stays out')
    return
  }
  if (known < pastEvents) await loadPast(options, cast, pastEvents)
  else options.onProgress('the film demo goes on where it stopped')
  await Promise.all([
    streamVisits(
      {
        ...options,
        ...cast,
        newId: options.newId ?? randomUUID,
        eventsPerSecond: options.eventsPerSecond ?? EVENTS_PER_SECOND,
      },
      signal,
    ),
    trainFirstModel({ client: cast.client, onProgress: options.onProgress, pastEvents }, signal),
  ])
}

/** The catalogue goes up before the first event, so a folder with events and without our films is not ours. */
async function isFilmFolder({ client, films }: Cast): Promise<boolean> {
  const last = films.at(-1)
  if (last === undefined) return false
  const { status } = await client.request('GET', `/api/v1/items/${encodeURIComponent(last.itemId)}`)
  return status === 200
}

async function loadPast(
  options: DemoOptions,
  { client, films, shelves, visitors }: Cast,
  pastEvents: number,
): Promise<void> {
  options.onProgress(`loading ${films.length.toLocaleString('en')} films`)
  for (let start = 0; start < films.length; start += ITEMS_PER_REQUEST) {
    const items = films
      .slice(start, start + ITEMS_PER_REQUEST)
      .map(({ itemId, title, categories, attributes }) => ({ itemId, title, categories, attributes }))
    await expectAccepted(client, '/api/v1/items', { items })
  }
  const past = simulatePast(visitors, shelves, {
    count: pastEvents,
    days: PAST_DAYS,
    now: options.now(),
    random: seededRandom((options.seed ?? SEED) + 1),
  })
  options.onProgress(`${visitors.length} simulated visitors bring a past of ${past.length.toLocaleString('en')} events`)
  for (let start = 0; start < past.length; start += EVENTS_PER_REQUEST) {
    await expectAccepted(client, '/api/v1/events', { events: past.slice(start, start + EVENTS_PER_REQUEST) })
  }
}

async function expectAccepted(client: EdgeClient, path: string, body: unknown): Promise<void> {
  const reply = await client.request('POST', path, body)
  if (reply.status >= 300) throw new Error(`POST ${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`)
}
