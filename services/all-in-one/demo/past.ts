import type { InteractionInput } from '../../../schemas/interaction.ts'
import { drawIndex, type Random, runningSums } from './random.ts'
import { nextAct, type Shelves, type Visitor } from './visitors.ts'

const DAY_MS = 86_400_000

/**
 * A simulated past: `count` events of the visitors, spread over the last `days` days before `now`, in order of time.
 * Event ids are `demo-past-N`: sent again, they are the same events.
 */
export function simulatePast(
  visitors: readonly Visitor[],
  shelves: Shelves,
  options: { readonly count: number; readonly days: number; readonly now: number; readonly random: Random },
): readonly InteractionInput[] {
  const { count, days, now, random } = options
  const activity = runningSums(visitors.map((visitor) => visitor.activity))
  const seen = new Map(visitors.map((visitor) => [visitor.userId, new Set<string>()]))
  const step = (days * DAY_MS) / count
  const events: InteractionInput[] = []
  for (let index = 0; index < count; index++) {
    // Every visitor appears once at first, so that nobody is without a past.
    const visitor = visitors[index < visitors.length ? index : drawIndex(activity, random)]
    if (visitor === undefined) break
    const known = seen.get(visitor.userId) ?? new Set<string>()
    const act = nextAct(visitor, shelves, { recommended: [], seen: known, random })
    known.add(act.itemId)
    const timestamp = Math.floor(now - (count - index - random()) * step)
    events.push({
      eventId: `demo-past-${index}`,
      userId: visitor.userId,
      itemId: act.itemId,
      type: act.type,
      timestamp: new Date(Math.min(timestamp, now)).toISOString(),
    })
  }
  return events
}
