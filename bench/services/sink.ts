import { setTimeout as pause } from 'node:timers/promises'
import { openClickHouseEventStore } from '../../stores/event-store/clickhouse/event-store.ts'
import { openCodecs } from '../../streams/codec/open.ts'
import { openEventLog } from '../../streams/event-log/open.ts'
import { TOPICS } from '../../streams/topics.ts'
import { type Accepted, call } from '../../tests/support/api.ts'
import { eventually } from '../../tests/support/eventually.ts'
import { quantile, report, rounded } from '../report.ts'
import { type Stand, startStand } from './stand.ts'

const command = 'npm run bench services.sink'
const BACKLOG = 1_000_000
const APPEND_RECORDS = 1_000
const IDLE_EVENTS = 20
const IDLE_PAUSE_MS = 700
const ENOUGH_ROWS = 1_000

/** One sink: a backlog from Kafka into ClickHouse, then single events with nothing else to do. */
export async function benchSink(): Promise<void> {
  await using stand = await startStand()
  const { cluster } = stand
  const sink = cluster.get('sink-1')
  await benchIdle(stand)
  await sink.stop()
  await cluster.get('updater-1').stop()
  await appendBacklog(stand)
  await sink.start()
  await benchBacklog(sink.url)
  await checkStored(stand)
}

/** From the acknowledgement by the log to the one by the event store, as the sink counts them. */
async function benchIdle({ cluster }: Stand): Promise<void> {
  const { url } = cluster.get('edge-1')
  const delays: number[] = []
  for (let index = 0; index < IDLE_EVENTS; index++) {
    const { events } = await sinkFigures(cluster.get('sink-1').url)
    const event = { userId: `idle${index}`, itemId: 'i1', type: 'view' }
    const { body } = await call<Accepted>(url, 'POST', '/api/v1/events', event)
    if (body.accepted !== 1) throw new Error(`not accepted: ${JSON.stringify(body)}`)
    const acknowledgedAt = performance.now()
    await eventually(() => sinkFigures(cluster.get('sink-1').url), (now) => now.events > events) // biome-ignore format: one line
    delays.push(performance.now() - acknowledgedAt)
    await pause(IDLE_PAUSE_MS)
  }
  const details = { events: IDLE_EVENTS, p50Ms: rounded(quantile(delays, 0.5)), command }
  report({ figure: 'sink_idle_delay_ms_max', value: rounded(quantile(delays, 1)), unit: 'ms', bar: { atMost: 1_000 }, details }) // biome-ignore format: one line
}

/** Straight to the topic: a client with the registered schema. */
async function appendBacklog({ settings }: Stand): Promise<void> {
  const { signal } = new AbortController()
  const registryUrl = settings.SCHEMA_REGISTRY_URL as string
  const { interaction } = await openCodecs({ registryUrl, folder: null })
  await using log = await openEventLog(settings.LOG_URL as string, { now: Date.now })
  const timestamp = Date.now()
  for (let start = 0; start < BACKLOG; start += APPEND_RECORDS * 8) {
    await Promise.all(
      Array.from({ length: 8 }, (_, part) => {
        const records = Array.from({ length: APPEND_RECORDS }, (_record, at) => {
          const index = start + part * APPEND_RECORDS + at
          const userId = `u${(index * 7_919) % 50_021}`
          const value = interaction.encode({
            ...{ operation: 'assert', eventId: crypto.randomUUID(), userId, itemId: `i${(index * 7) % 4_000}` },
            ...{ type: 'view', timestamp, value: null, requestId: null, context: null },
          })
          return { key: userId, value }
        })
        return log.append(TOPICS.interactions, records, { signal })
      }),
    )
  }
}

/** The rate is that between the first and the last insert, looked at ten times a second; the process's start is left out. */
async function benchBacklog(url: string): Promise<void> {
  const first = await eventually(() => sinkFigures(url), ({ events }) => events > 0) // biome-ignore format: one line
  const startedAt = performance.now()
  const last = await eventually(() => pause(100).then(() => sinkFigures(url)), ({ events }) => events >= BACKLOG, 180_000) // biome-ignore format: one line
  const seconds = (performance.now() - startedAt) / 1_000
  const details = { backlog: BACKLOG, seconds: rounded(seconds), inserts: last.inserts, command }
  const value = rounded((last.events - first.events) / seconds, 4)
  report({ figure: 'sink_rows_per_second', value, unit: 'rows/s', bar: { atLeast: 50_000 }, details })
  const share = rounded(last.inLargeInserts, 4)
  report({ figure: 'sink_batch_rows_mean', value: rounded(last.events / last.inserts, 4), unit: 'rows', bar: { atLeast: ENOUGH_ROWS }, details: { ...details, shareOfInsertsAbove1000Rows: share } }) // biome-ignore format: one line
}

/** What was counted is what a reader finds. */
async function checkStored({ settings }: Stand): Promise<void> {
  await using store = await openClickHouseEventStore(settings.EVENT_STORE_URL as string)
  const startedAt = performance.now()
  const events = await store.count({ signal: new AbortController().signal })
  const details = { events, command }
  report({ figure: 'clickhouse_count_final_ms', value: rounded(performance.now() - startedAt), unit: 'ms', details })
  if (events !== BACKLOG + IDLE_EVENTS) throw new Error(`${events} events are stored, not ${BACKLOG + IDLE_EVENTS}`)
}

interface SinkFigures {
  readonly events: number
  readonly inserts: number
  /** Share of the inserts with more than a thousand rows. */
  readonly inLargeInserts: number
}

async function sinkFigures(url: string): Promise<SinkFigures> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1] ?? Number.NaN)
  const inserts = value('sink_batch_rows_count')
  const small = value(`sink_batch_rows_bucket\\{le="${ENOUGH_ROWS}"\\}`)
  return { events: value('sink_events_total'), inserts, inLargeInserts: (inserts - small) / inserts }
}
