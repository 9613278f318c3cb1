import { setTimeout as pause } from 'node:timers/promises'
import { type Accepted, call } from '../tests/support/api.ts'
import { startProcess, temporaryFolder } from '../tests/support/process.ts'
import { quantile, report, rounded } from './report.ts'

const EVENTS_PER_SECOND = 200
const SECONDS = 15

/**
 * Posts single events at a steady rate and, for each, asks with its token: the time from the acknowledgement to the
 * reply that has seen it, as a client notices it (the reply's own HTTP round trip included).
 */
export async function benchFreshness(): Promise<void> {
  await using folder = await temporaryFolder('bench-freshness')
  await using millrace = await startProcess({ DATA_DIR: folder.path })
  const freshness: number[] = []
  const acknowledged: number[] = []
  const running: Promise<void>[] = []
  const startedAt = performance.now()
  for (let index = 0; index < EVENTS_PER_SECOND * SECONDS; index++) {
    const due = startedAt + (index * 1_000) / EVENTS_PER_SECOND
    const wait = due - performance.now()
    if (wait > 0) await pause(wait)
    running.push(one(millrace.url, index, index > EVENTS_PER_SECOND ? freshness : [], acknowledged))
  }
  await Promise.all(running)
  const text = await (await fetch(`${millrace.url}/metrics`)).text()
  const details = { eventsPerSecond: EVENTS_PER_SECOND, seconds: SECONDS, command: 'npm run bench freshness' }
  report({ figure: 'freshness_ms_p50', value: rounded(quantile(freshness, 0.5)), unit: 'ms', details })
  report({
    figure: 'freshness_ms_p99',
    value: rounded(quantile(freshness, 0.99)),
    unit: 'ms',
    bar: { atMost: 20 },
    details,
  })
  report({ figure: 'acknowledge_ms_p50', value: rounded(quantile(acknowledged, 0.5)), unit: 'ms', details })
  report({ figure: 'append_to_effect_within_20ms', value: shareWithin(text, 0.02), unit: 'share of events', details })
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
