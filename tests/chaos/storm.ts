import { loadConfig } from '../../schemas/config.ts'
import { Settings } from '../../schemas/settings.ts'
import { openBackends } from '../../services/runtime/backends.ts'
import type { PrivateServices } from '../services/private-services.ts'
import { call, type Status } from '../support/api.ts'
import { startCluster } from '../support/cluster.ts'
import { makeEvents, oracleOf, seeded } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { differencesToOracle } from '../support/oracle-differences.ts'
import { planFaults } from './faults.ts'
import { type ReaderCounts, readLists, startWriter } from './load.ts'

const READERS = 2
const CATCH_UP_DEADLINE_MS = 120_000

export interface StormOptions {
  readonly seed: number
  readonly events: number
  readonly kills: number
  readonly storeAwayMs: number
  /** Of Millrace's processes. */
  readonly settings: Readonly<Record<string, string>>
  /** Kafka, Redis and ClickHouse of the storm's own. */
  readonly servers: PrivateServices
  report(line: string): void
}

export interface StormResult {
  readonly kills: number
  readonly acknowledged: number
  readonly distinct: number
  readonly writeRetries: number
  readonly reads: ReaderCounts
  /** Processes that ended by themselves. */
  readonly deaths: readonly string[]
  /** Where ClickHouse and user state are not what the events say. */
  readonly differences: readonly string[]
  readonly seconds: number
}

/**
 * Events with duplicates go through two edges while faults strike one after the other; each fault falls into its own share
 * of the events. Resolves when everything was acknowledged and both stores have caught up, or did not in time.
 */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const started = performance.now()
  const { servers, settings, report } = options
  const random = seeded(options.seed)
  const events = makeEvents(options.events, random)
  await using cluster = await startCluster({ edge: 2, sink: 2, updater: 2 }, settings)
  const urls = cluster.named('edge').map(({ url }) => url)
  const faults = planFaults(cluster, servers, { ...options, random, stallMs: 9_000 })
  const stopped = new AbortController()
  const reads: ReaderCounts = { lists: 0, degraded: 0, retries: 0, failures: [] }
  const users = [...new Set(events.slice(0, 1_000).map(({ userId }) => userId))]
  const reading = Array.from({ length: READERS }, () => readLists(urls, users, reads, stopped.signal))
  const writer = startWriter(urls, events, stopped.signal)
  const failing = writer.done.then(() => new Promise<never>(() => {}))
  failing.catch(() => undefined)
  try {
    for (const [index, fault] of faults.entries()) {
      writer.allow(Math.floor((events.length * (index + 1)) / (faults.length + 1)))
      report(`${elapsed(started)} ${writer.acknowledged()} events acknowledged; ${fault.name}`)
      await Promise.race([fault.cause(), failing])
    }
    writer.allow(events.length)
    await writer.done
    report(`${elapsed(started)} all ${writer.acknowledged()} events acknowledged; catching up`)
    const wanted = oracleOf(events).events
    await eventually(() => statusOf(urls[0] as string), hasReached(wanted), CATCH_UP_DEADLINE_MS).catch(
      (error: unknown) => report(String(error)),
    )
    for (const death of cluster.deaths()) report(death)
    report(`${elapsed(started)} comparing with the oracle`)
    await using stores = await openBackends(loadConfig(Settings, settings), Date.now, ['eventStore', 'userState'])
    const differences = await differencesToOracle(events, stores)
    return {
      ...{ kills: faults.filter(({ isKill }) => isKill).length, acknowledged: writer.acknowledged(), distinct: wanted },
      ...{ writeRetries: writer.retries(), reads, deaths: cluster.deaths(), differences },
      seconds: Math.round((performance.now() - started) / 1_000),
    }
  } finally {
    stopped.abort()
    await Promise.all(reading)
  }
}

function hasReached(events: number) {
  return (status: Status | null) => status?.eventStore?.events === events && status.userState?.events === events
}

async function statusOf(url: string): Promise<Status | null> {
  const reply = await call<Status>(url, 'GET', '/api/v1/monitoring/status').catch(() => null)
  return reply?.status === 200 ? reply.body : null
}

function elapsed(started: number): string {
  return `${((performance.now() - started) / 1_000).toFixed(0).padStart(4)} s`
}
