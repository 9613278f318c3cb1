import { setTimeout as pause } from 'node:timers/promises'
import type { Accepted, Recommendations } from '../tests/support/api.ts'
import { startProcess, temporaryFolder } from '../tests/support/process.ts'
import { HttpConnection, type HttpReply, requestBytes } from './http-connection.ts'
import { quantile, report, rounded } from './report.ts'

const SECONDS = 15
const USERS = 500

export interface Freshness {
  /** Milliseconds from the acknowledgement to the reply that has seen the event, as a client notices it. */
  readonly freshness: readonly number[]
  readonly acknowledged: readonly number[]
  /** Replies without the event that they were asked for, although they do not say so. */
  readonly stale: number
}

/** Everything in one process, 200 events/s. */
export async function benchFreshness(): Promise<void> {
  await using folder = await temporaryFolder('bench-freshness')
  await using millrace = await startProcess({ DATA_DIR: folder.path })
  const { freshness, acknowledged, stale } = await measureFreshness(millrace.url, 200)
  const text = await (await fetch(`${millrace.url}/metrics`)).text()
  const details = { eventsPerSecond: 200, seconds: SECONDS, stale, command: 'npm run bench freshness' }
  const p99 = rounded(quantile(freshness, 0.99))
  report({ figure: 'freshness_ms_p50', value: rounded(quantile(freshness, 0.5)), unit: 'ms', details })
  report({ figure: 'freshness_ms_p99', value: p99, unit: 'ms', bar: { atMost: 20 }, details })
  report({ figure: 'acknowledge_ms_p50', value: rounded(quantile(acknowledged, 0.5)), unit: 'ms', details })
  report({ figure: 'append_to_effect_within_20ms', value: shareWithin(text, 0.02), unit: 'share of events', details })
}

/**
 * Posts single events at a steady rate and, for each, asks with its token; the reply's own HTTP round trip counts. The
 * first `warmUpSeconds` are left out: they warm the code up.
 * @throws Error when a reply says that it could not wait for its event.
 */
export async function measureFreshness(url: string, eventsPerSecond: number, warmUpSeconds = 1): Promise<Freshness> {
  const freshness: number[] = []
  const acknowledged: number[] = []
  const running: Promise<void>[] = []
  let stale = 0
  using client = createClient(url)
  const expected = new Map<string, number>()
  for (let user = 0; user < USERS; user++) expected.set(`u${user}`, await client.eventsOf(`u${user}`, ''))
  const startedAt = performance.now()
  for (let index = 0; index < eventsPerSecond * (warmUpSeconds + SECONDS); index++) {
    const due = startedAt + (index * 1_000) / eventsPerSecond
    const wait = due - performance.now()
    if (wait > 0) await pause(wait)
    running.push(one(index))
  }
  await Promise.all(running)
  return { freshness, acknowledged, stale }

  async function one(index: number): Promise<void> {
    const userId = `u${index % USERS}`
    const isWarm = index >= eventsPerSecond * warmUpSeconds
    const postedAt = performance.now()
    const token = await client.post({ userId, itemId: `i${index % 1_000}`, type: 'view' })
    const acknowledgedAt = performance.now()
    const counted = (expected.get(userId) ?? 0) + 1
    expected.set(userId, counted)
    const events = await client.eventsOf(userId, `?after=${token}`)
    if (events < counted) stale++
    if (!isWarm) return
    acknowledged.push(acknowledgedAt - postedAt)
    freshness.push(performance.now() - acknowledgedAt)
  }
}

/** As many connections as there are requests under way at a time. */
function createClient(url: string) {
  const all = new Set<HttpConnection>()
  const free: HttpConnection[] = []
  async function exchange(request: Buffer, status: number): Promise<HttpReply> {
    const connection = free.pop() ?? (await HttpConnection.open(url))
    all.add(connection)
    const reply = await connection.send(request)
    free.push(connection)
    if (reply.status !== status) throw new Error(`status ${reply.status}: ${reply.body}`)
    return reply
  }
  return {
    async post(event: object): Promise<string> {
      const { body } = await exchange(requestBytes(url, 'POST', '/api/v1/events', event), 202)
      return (JSON.parse(body.toString()) as Accepted).token
    },
    async eventsOf(userId: string, query: string): Promise<number> {
      const path = `/api/v1/recommendations/user/${userId}${query}`
      const { body } = await exchange(requestBytes(url, 'GET', path), 200)
      const list = JSON.parse(body.toString()) as Recommendations
      if (list.after === 'timeout') throw new Error(`no fresh reply: ${body}`)
      return list.state?.events ?? 0
    },
    [Symbol.dispose]() {
      for (const connection of all) connection[Symbol.dispose]()
    },
  }
}

/** From the service's own histogram, append time to effect: the share of events at or below a bucket's bound. */
function shareWithin(text: string, seconds: number): number {
  const value = (line: RegExp) => Number(line.exec(text)?.[1] ?? Number.NaN)
  const within = value(new RegExp(`event_freshness_seconds_bucket\\{[^}]*le="${seconds}"[^}]*\\} (\\S+)`))
  return rounded(within / value(/event_freshness_seconds_count(?:\{[^}]*\})? (\S+)/), 4)
}
