import { setTimeout as pause } from 'node:timers/promises'
import { type Accepted, call } from '../tests/support/api.ts'
import { startProcess, temporaryFolder } from '../tests/support/process.ts'
import { quantile, report, rounded } from './report.ts'

const SECONDS = 15

export interface Freshness {
  /** Milliseconds from the acknowledgement to the reply that has seen the event, as a client notices it. */
  readonly freshness: readonly number[]
  readonly acknowledged: readonly number[]
}

/** Everything in one process, 200 events/s. */
export async function benchFreshness(): Promise<void> {
  await using folder = await temporaryFolder('bench-freshness')
  await using millrace = await startProcess({ DATA_DIR: folder.path })
  const { freshness, acknowledged } = await measureFreshness(millrace.url, 200)
  const text = await (await fetch(`${millrace.url}/metrics`)).text()
  const details = { eventsPerSecond: 200, seconds: SECONDS, command: 'npm run bench freshness' }
  const p99 = rounded(quantile(freshness, 0.99))
  report({ figure: 'freshness_ms_p50', value: rounded(quantile(freshness, 0.5)), unit: 'ms', details })
  report({ figure: 'freshness_ms_p99', value: p99, unit: 'ms', bar: { atMost: 20 }, details })
  report({ figure: 'acknowledge_ms_p50', value: rounded(quantile(acknowledged, 0.5)), unit: 'ms', details })
  report({ figure: 'append_to_effect_within_20ms', value: shareWithin(text, 0.02), unit: 'share of events', details })
}

/**
 * Posts single events at a steady rate and, for each, asks with its token; the reply's own HTTP round trip counts. The
 * first second is left out: it warms the code up.
 */
export async function measureFreshness(url: string, eventsPerSecond: number): Promise<Freshness> {
  const freshness: number[] = []
  const acknowledged: number[] = []
  const running: Promise<void>[] = []
  const startedAt = performance.now()
  for (let index = 0; index < eventsPerSecond * SECONDS; index++) {
    const due = startedAt + (index * 1_000) / eventsPerSecond
    const wait = due - performance.now()
    if (wait > 0) await pause(wait)
    const isWarm = index >= eventsPerSecond
    running.push(one(url, index, isWarm ? freshness : [], isWarm ? acknowledged : []))
  }
  await Promise.all(running)
  return { freshness, acknowledged }
}

async function one(url: string, index: number, freshness: number[], acknowledged: number[]): Promise<void> {
  const user = `u${index % 500}`
  const postedAt = performance.now()
  const { body } = await call<Accepted>(url, 'POST', '/api/v1/events', {
    userId: user,
    itemId: `i${index % 1_000}`,
    type: 'view',
  })
  const acknowledgedAt = performance.now()
  acknowledged.push(acknowledgedAt - postedAt)
  const reply = await call<{ after?: string }>(url, 'GET', `/api/v1/recommendations/user/${user}?after=${body.token}`)
  if (reply.status !== 200 || reply.body.after === 'timeout')
    throw new Error(`no fresh reply: ${JSON.stringify(reply.body)}`)
  freshness.push(performance.now() - acknowledgedAt)
}

/** From the service's own histogram, append time to effect: the share of events at or below a bucket's bound. */
function shareWithin(text: string, seconds: number): number {
  const value = (line: RegExp) => Number(line.exec(text)?.[1] ?? Number.NaN)
  const within = value(new RegExp(`event_freshness_seconds_bucket\\{[^}]*le="${seconds}"[^}]*\\} (\\S+)`))
  return rounded(within / value(/event_freshness_seconds_count(?:\{[^}]*\})? (\S+)/), 4)
}
