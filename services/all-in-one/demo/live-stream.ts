import { setTimeout as delay } from 'node:timers/promises'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { EdgeClient } from './edge-client.ts'
import { drawIndex, type Random, runningSums } from './random.ts'
import { nextAct, type Shelves, type Visitor } from './visitors.ts'

const RecommendReply = Type.Object({ items: Type.Array(Type.Object({ itemId: Type.String() })) })
/** The stream swells and ebbs by this share over this time, as traffic does. */
const TIDE_SHARE = 0.5
const TIDE_MS = 60_000
/** A visitor looks at the list and acts on it, this many events at most. */
const ACTS_PER_VISIT_MAX = 3
/** Some visitors only come to look. */
const LOOK_ONLY_SHARE = 0.3
/** Remembered films of a visitor, so that few are visited twice. */
const SEEN_MAX = 500

/** Lets visitors come, look at their recommendations over HTTP and act, until `signal` aborts (which is no error). */
export async function streamVisits(
  parts: {
    readonly client: EdgeClient
    readonly visitors: readonly Visitor[]
    readonly shelves: Shelves
    readonly random: Random
    readonly now: () => number
    readonly newId: () => string
    readonly eventsPerSecond: number
  },
  signal: AbortSignal,
): Promise<void> {
  const { client, visitors, shelves, random, now, newId } = parts
  const activity = runningSums(visitors.map((visitor) => visitor.activity))
  const seen = new Map<string, Set<string>>()
  while (!signal.aborted) {
    const visitor = visitors[drawIndex(activity, random)]
    if (visitor === undefined) return
    const known = knownFilms(seen, visitor.userId)
    const recommended = await lookAtList(client, visitor.userId)
    const acts = random() < LOOK_ONLY_SHARE ? 0 : 1 + Math.floor(random() * ACTS_PER_VISIT_MAX)
    const events = Array.from({ length: acts }, () => {
      const act = nextAct(visitor, shelves, {
        recommended: recommended.filter((id) => !known.has(id)),
        seen: known,
        random,
      })
      known.add(act.itemId)
      return { eventId: newId(), userId: visitor.userId, itemId: act.itemId, type: act.type }
    })
    if (events.length > 0) await client.request('POST', '/api/v1/events', { events })
    const pace = parts.eventsPerSecond * (1 + TIDE_SHARE * Math.sin((now() / TIDE_MS) * 2 * Math.PI))
    const actsOnAverage = (1 - LOOK_ONLY_SHARE) * ((1 + ACTS_PER_VISIT_MAX) / 2)
    await delay((1_000 * actsOnAverage * (0.5 + random())) / pace, undefined, { signal }).catch(() => undefined)
  }
}

async function lookAtList(client: EdgeClient, userId: string): Promise<readonly string[]> {
  const { status, body } = await client.request('GET', `/api/v1/recommendations/user/${userId}?limit=20`)
  return status === 200 ? Value.Parse(RecommendReply, body).items.map((item) => item.itemId) : []
}

function knownFilms(seen: Map<string, Set<string>>, userId: string): Set<string> {
  const known = seen.get(userId)
  if (known !== undefined && known.size < SEEN_MAX) return known
  const fresh = new Set<string>()
  seen.set(userId, fresh)
  return fresh
}
