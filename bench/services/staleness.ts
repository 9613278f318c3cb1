import { setTimeout as pause } from 'node:timers/promises'
import { mergeEvents } from '../../engine/history/history.ts'
import { loadConfig } from '../../schemas/config.ts'
import type { StoredEvent } from '../../schemas/interaction.ts'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'
import { EMPTY_USER } from '../../schemas/user-record.ts'
import { openBackends } from '../../services/runtime/backends.ts'
import { historyRules } from '../../services/updater/rules.ts'
import type { UserState } from '../../stores/user-state/port.ts'
import type { Recommendations } from '../../tests/support/api.ts'
import { measureFreshness } from '../freshness.ts'
import { HttpConnection, requestBytes } from '../http-connection.ts'
import { quantile, report, rounded } from '../report.ts'
import { loadLists } from '../serving.ts'
import type { Stand } from './stand.ts'

const SECONDS = 20
const USERS = 200
const APPLY_EVERY_MS = 15

/**
 * How old a list may be that an edge under full load serves from its own memory. This process is an updater beside the
 * running ones: it applies an event to a user whose list the edge holds, and asks for that list again and again meanwhile
 * until it has the event. The age of a list is from the moment before the swap is sent to Redis to the arrival of the last
 * reply without the event: more than the age it had, never less.
 */
export async function benchStaleness({ cluster, settings }: Stand, command: string): Promise<void> {
  const { url } = cluster.get('edge-1')
  const config = loadConfig(Settings, settings)
  await using stores = await openBackends(config, Date.now, ['userState'])
  const rules = historyRules({ settings: config, eventWeights: parseEventWeights(config) })
  using connection = await HttpConnection.open(url)
  const paths = Array.from({ length: USERS }, (_, user) => `/api/v1/recommendations/user/u${user}`)
  const loading = loadLists(url, paths, SECONDS)
  const ages: number[] = []
  let stale = 0
  let isLoading = true
  void loading.finally(() => {
    isLoading = false
  })
  for (let index = 0; isLoading; index++) {
    const user = index % USERS
    const request = requestBytes(url, 'GET', paths[user] as string)
    const before = await listOf(connection, request)
    const applying = apply(stores.userState, `u${user}`, index, rules)
    let lastStale = Number.NEGATIVE_INFINITY
    while ((await listOf(connection, request)).events === before.events) {
      stale++
      lastStale = performance.now()
    }
    const began = await applying
    if (isLoading && before.cache === 'hit') ages.push(Math.max(0, lastStale - began))
    await pause(APPLY_EVERY_MS)
  }
  const { replies, seconds } = await loading
  const details = {
    ...{ applies: ages.length, staleReplies: stale, connections: 64, command },
    p50Ms: rounded(quantile(ages, 0.5)),
    ...{ requestsPerSecondMeanwhile: rounded(replies / seconds, 4), maxMs: rounded(quantile(ages, 1)) },
  }
  if (ages.length < 200) throw new Error(`only ${ages.length} applies met a cached list`)
  const p99 = rounded(quantile(ages, 0.99))
  report({ figure: 'services_stale_list_ms_p99', value: p99, unit: 'ms', bar: { atMost: 50 }, details })
  await benchAfter(url, paths, command)
}

/** Every reply to a read with a token is looked at. */
async function benchAfter(url: string, paths: readonly string[], command: string): Promise<void> {
  const loading = loadLists(url, paths, SECONDS)
  const { freshness, stale } = await measureFreshness(url, 50)
  await loading
  const details = { replies: freshness.length, msP99: rounded(quantile(freshness, 0.99)), connections: 64, command }
  report({ figure: 'services_stale_lists_with_after', value: stale, unit: 'replies', bar: { atMost: 0 }, details })
}

async function listOf(connection: HttpConnection, request: Buffer): Promise<{ events: number; cache: string }> {
  const { status, body } = await connection.send(request)
  const list = JSON.parse(body.toString()) as Recommendations
  if (status !== 200 || list.state === null) throw new Error(`status ${status}: ${body}`)
  return { events: list.state.events, cache: list.cache }
}

/** Returns when its swap was about to be sent. */
async function apply(
  userState: UserState,
  userId: string,
  index: number,
  rules: Parameters<typeof mergeEvents>[2],
): Promise<number> {
  const { signal } = new AbortController()
  const record = (await userState.get(userId, { signal })) ?? EMPTY_USER
  const event: StoredEvent = {
    ...{ operation: 'assert', eventId: `stale-${index}`, userId, itemId: `i${index % 4_000}`, type: 'view' },
    ...{ timestamp: Date.now(), value: null, requestId: null, context: null },
    // A partition of its own: the running updater's offsets are not touched.
    ...{ topic: 'interactions', partition: 1_000, offset: index, appendedAt: Date.now() },
  }
  const next = mergeEvents(record, [event], rules)
  const began = performance.now()
  const [took] = await userState.swap([{ userId, expectedRevision: record.revision, next }], { signal })
  if (!took) throw new Error(`the event of ${userId} was not applied`)
  return began
}
