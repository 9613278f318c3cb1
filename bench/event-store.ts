// What an event store takes and gives: `node bench/event-store.ts URL [EVENTS] [BATCH]`. The URL names an empty database or
// file of its own. Prints one JSON line per measure: rows/s of inserts, seconds of every read, longest event-loop pause.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { argv, cpuUsage, stdout } from 'node:process'
import type { StoredEvent } from '../schemas/interaction.ts'
import { openEventStore } from '../stores/event-store/open.ts'

const SPAN_MS = 5 * 365 * 86_400_000
const START = Date.UTC(2021, 0, 1)
const { signal } = new AbortController()
const [, , url = '', eventsText = '1000000', batchText = '5000'] = argv
const [events, batchSize] = [Number(eventsText), Number(batchText)]

await using store = await openEventStore(url)
await measured(`insert ${events} rows, one writer, batches of ${batchSize}`, events, async () => {
  for (let from = 0; from < events; from += batchSize) await store.insert(batchOf(from), { signal })
})
await measured('count', events, () => store.count({ signal }))
await measured('positions', events, () => store.positions({ signal }))
await measured('popular, 7 days', events, () =>
  store.popular(
    { weights: { view: 1, purchase: 8 }, halfLifeMs: 2e9, windowMs: 7 * 86_400_000, limit: 500 },
    { signal },
  ),
)
await measured('popular, all', events, () =>
  store.popular({ weights: { view: 1, purchase: 8 }, halfLifeMs: 2e9, windowMs: null, limit: 500 }, { signal }),
)
await measured("a user's events", 1, () => store.userEvents('u777', { limit: 2_000, signal }))
await measured('columns', events, () => store.columns({ signal }))
await measured('scan by user', events, async () => {
  const until = await store.positions({ signal })
  for await (const batch of store.scanByUser(until, { batchEventsMax: 1_000, signal }))
    if (batch.length === 0) throw new Error('an empty batch')
})

/** Users and items by two different strides, so that every batch touches all of them. */
function batchOf(from: number): StoredEvent[] {
  return Array.from({ length: Math.min(batchSize, events - from) }, (_, step) => {
    const offset = from + step
    return {
      ...{ operation: 'assert' as const, userId: `u${(offset * 7_919) % 50_021}`, eventId: `bench:${offset}` },
      ...{ itemId: `item-${(offset * 104_729) % 4_001}`, type: offset % 9 === 0 ? 'purchase' : 'view' },
      ...{ timestamp: START + Math.floor((offset / events) * SPAN_MS), value: null, requestId: null, context: null },
      ...{ topic: 'interactions', partition: offset % 8, offset, appendedAt: START + SPAN_MS + offset },
    }
  })
}

async function measured(measure: string, rows: number, work: () => Promise<unknown>): Promise<void> {
  const pauses = monitorEventLoopDelay({ resolution: 1 })
  pauses.enable()
  const [began, cpu] = [performance.now(), cpuUsage()]
  await work()
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = cpuUsage(cpu)
  pauses.disable()
  const figures = {
    ...{ measure, seconds: round(seconds), rowsPerSecond: Math.round(rows / seconds) },
    ...{ ownCpuSeconds: round((user + system) / 1e6), longestPauseMs: round(pauses.max / 1e6) },
  }
  stdout.write(`${JSON.stringify(figures)}\n`)
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
