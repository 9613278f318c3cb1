import { openEventLog } from '../../streams/event-log/open.ts'
import { TOPICS } from '../../streams/topics.ts'
import { measureFreshness } from '../freshness.ts'
import { runLoad } from '../load.ts'
import { quantile, report, rounded } from '../report.ts'
import { fillAndTrain } from '../serving.ts'
import { type Stand, startStand } from './stand.ts'

const command = 'npm run bench services.events'
const SECONDS = 8
/** Until the Java machine of the broker has compiled what it runs, too. */
const WARM_UP_SECONDS = 30
const REQUESTS = 200
const RECORD_BYTES = 100

/** Events of one edge process: how soon they have their effect, and how many the edge takes while no one consumes. */
export async function benchEvents(): Promise<void> {
  await using stand = await startStand()
  const { cluster } = stand
  const edge = cluster.get('edge-1')
  await fillAndTrain(edge.url)
  await benchFresh(edge.url)
  await cluster.get('sink-1').stop()
  await cluster.get('updater-1').stop()
  await benchAppend(edge.url, 100, 16, { atLeast: 30_000 })
  await benchAppend(edge.url, 1, 64, { atLeast: 5_000 })
  await benchLogAlone(stand)
}

async function benchFresh(url: string): Promise<void> {
  const { freshness, acknowledged, stale } = await measureFreshness(url, 500, WARM_UP_SECONDS)
  const details = { eventsPerSecond: 500, stale, acknowledgedMsP50: rounded(quantile(acknowledged, 0.5)), command }
  const [p50, p99] = [rounded(quantile(freshness, 0.5)), rounded(quantile(freshness, 0.99))]
  report({ figure: 'services_freshness_ms_p50', value: p50, unit: 'ms', details })
  report({ figure: 'services_freshness_ms_p99', value: p99, unit: 'ms', bar: { atMost: 50 }, details })
}

/** Every connection posts as soon as its last request was acknowledged; the better of two runs. */
export async function benchAppend(
  url: string,
  batch: number,
  connections: number,
  bar: { readonly atLeast: number },
): Promise<void> {
  let index = 0
  const next = () => ({ userId: `b${index % 5_000}`, itemId: `i${(index++ * 7) % 4_000}`, type: 'view' })
  const requests = Array.from({ length: REQUESTS }, () => {
    const body = batch === 1 ? next() : { events: Array.from({ length: batch }, next) }
    return { method: 'POST', path: '/api/v1/events', body }
  })
  const job = { url, requests, connections, seconds: SECONDS, expectedStatus: 202 }
  const results = [await runLoad(job), await runLoad(job)]
  const rates = results.map(({ replies, seconds }) => rounded((replies * batch) / seconds, 4))
  const value = Math.max(...rates)
  const { p50Ms, p99Ms } = results[rates.indexOf(value)] as (typeof results)[number]
  const figure = batch === 1 ? 'services_single_events_per_second' : 'services_batched_events_per_second'
  const details = { batch, connections, seconds: SECONDS, p50Ms, p99Ms, both: rates, command }
  report({ figure, value, unit: 'events/s', bar, details })
}

/** The log's adapter without HTTP, validation and encoding, from this process. */
async function benchLogAlone({ settings }: Stand): Promise<void> {
  await using log = await openEventLog(settings.LOG_URL as string, { now: Date.now })
  const value = Buffer.alloc(RECORD_BYTES, 7)
  for (const [batch, writers] of [
    [100, 16],
    [1, 64],
  ] as const) {
    // biome-ignore format: one line
    const { signal } = new AbortController()
    const startedAt = performance.now()
    let appended = 0
    const writer = async (place: number) => {
      for (let step = 0; performance.now() - startedAt < SECONDS * 1_000; step++) {
        const records = Array.from({ length: batch }, (_, at) => ({
          key: `u${place * 7_919 + step * batch + at}`,
          value,
        }))
        const positions = await log.append(TOPICS.interactions, records, { signal })
        appended += positions.length
      }
    }
    await Promise.all(Array.from({ length: writers }, (_, place) => writer(place)))
    const seconds = (performance.now() - startedAt) / 1_000
    const details = { batch, writers, recordBytes: RECORD_BYTES, command }
    report({ figure: 'kafka_appends_per_second', value: rounded(appended / seconds, 4), unit: 'records/s', details })
  }
}
