import { type HistoryRules, mergeEvents } from '../../engine/history/history.ts'
import { observationsOf } from '../../engine/history/observations.ts'
import { MillraceError } from '../../schemas/errors.ts'
import type { StoredEvent } from '../../schemas/interaction.ts'
import { EMPTY_USER, type UserRecord } from '../../schemas/user-record.ts'
import type { Swap, UserState } from '../../stores/user-state/port.ts'
import type { ServingModel } from '../runtime/serving-model.ts'

/** Users merged between two turns of the event loop: without and with solving their factors. */
const USERS_PER_STEP = 512
const USERS_PER_STEP_SOLVING = 128
/** History entries solved in one step; users beyond get no factors and the edge solves for them. */
const OBSERVATIONS_PER_STEP_MAX = 16_384
/** How often a user whose revision keeps moving is read again. */
const CONFLICT_TRIES_MAX = 10

export interface ApplyParts {
  readonly userState: UserState
  /** The content of user state that the events are to be added to; a state emptied since refuses them. */
  readonly generation: number
  /** What the state has applied; one that has lost some of it refuses the events too. */
  readonly atLeast?: ReadonlyMap<string, number>
  readonly rules: HistoryRules
  /** Solve factors against this model; null stores none. */
  readonly model: ServingModel | null
  /** Freshness of an event with this append time if it took effect now; null keeps the record's. */
  readonly freshnessMs: (appendedAt: number) => number | null
  readonly signal: AbortSignal
  readonly onConflict: (users: number) => void
  readonly heartbeat: () => Promise<void>
}

export interface ApplyResult {
  readonly applied: number
  readonly duplicates: number
  /** Append times of as many events as were applied: of the newest ones, where a user's came twice. */
  readonly appliedAt: readonly number[]
}

/**
 * Brings events (in append order within each partition) into their users' records: one swap a user. Resolves when every
 * swap took effect; after a throw some users may have their events and others not, and doing it all again is harmless.
 * A record that has moved on is read again and merged again, so that a conflict loses nothing.
 * @throws MillraceError CONFLICT when a user's revision moved on CONFLICT_TRIES_MAX times, and what the state throws.
 */
export async function applyEvents(events: readonly StoredEvent[], parts: ApplyParts): Promise<ApplyResult> {
  const users = [...groupByUser(events)]
  const result = { applied: 0, duplicates: 0, appliedAt: [] as number[] }
  const step = parts.model ? USERS_PER_STEP_SOLVING : USERS_PER_STEP
  for (let start = 0; start < users.length; start += step) {
    let open = users.slice(start, start + step)
    for (let attempt = 1; open.length > 0; attempt++) {
      if (attempt > CONFLICT_TRIES_MAX) {
        const what = `${open.length} users were written by someone else ${CONFLICT_TRIES_MAX} times in a row`
        throw new MillraceError('CONFLICT', `${what}; the batch stays uncommitted and is retried`)
      }
      const conflicts = await applyOnce(open, parts, result)
      if (conflicts.length > 0) parts.onConflict(conflicts.length)
      open = conflicts
    }
    await parts.heartbeat()
  }
  return result
}

type UserEvents = [userId: string, events: StoredEvent[]]

/** One read, merge and swap of some users; returns those whose revision had moved on. */
async function applyOnce(
  users: readonly UserEvents[],
  parts: ApplyParts,
  result: { applied: number; duplicates: number; appliedAt: number[] },
): Promise<UserEvents[]> {
  const { userState, generation, atLeast, rules, signal } = parts
  const records = await userState.getMany(
    users.map(([userId]) => userId),
    { signal, ...(atLeast && { atLeast }) },
  )
  const swaps: Swap[] = []
  const swapped: { user: UserEvents; applied: number }[] = []
  let observationsLeft = OBSERVATIONS_PER_STEP_MAX
  users.forEach((user, index) => {
    const [userId, events] = user
    const before = records[index] ?? EMPTY_USER
    const merged = mergeEvents(before, events, rules)
    const applied = merged.events - before.events
    if (merged === before) {
      result.duplicates += events.length
      return
    }
    observationsLeft -= merged.history.length
    const next = completed(merged, applied, events, parts, observationsLeft >= 0)
    swaps.push({ userId, expectedRevision: before.revision, next })
    swapped.push({ user, applied })
  })
  const effects = await userState.swap(swaps, { signal, generation })
  const conflicts: UserEvents[] = []
  swapped.forEach(({ user, applied }, index) => {
    const [, events] = user
    if (!effects[index]) {
      conflicts.push(user)
      return
    }
    result.applied += applied
    result.duplicates += events.length - applied
    for (const event of events.slice(events.length - applied)) result.appliedAt.push(event.appendedAt)
  })
  return conflicts
}

function completed(
  merged: UserRecord,
  applied: number,
  events: readonly StoredEvent[],
  { model, rules, freshnessMs }: ApplyParts,
  solve: boolean,
): UserRecord {
  if (applied === 0) return merged
  // Not always the last: a user's events may come from two partitions.
  const newestAt = events.reduce((newest, { appendedAt }) => Math.max(newest, appendedAt), 0)
  const lastFreshnessMs = freshnessMs(newestAt) ?? merged.lastFreshnessMs
  if (model === null || !solve) return { ...merged, lastFreshnessMs }
  const { scorer, id } = model
  const observations = observationsOf(merged, rules.halfLifeMs, scorer)
  return { ...merged, lastFreshnessMs, factors: { modelVersion: id, vector: scorer.foldIn(observations).slice() } }
}

function groupByUser(events: readonly StoredEvent[]): Map<string, StoredEvent[]> {
  const users = new Map<string, StoredEvent[]>()
  for (const event of events) {
    const own = users.get(event.userId)
    if (own) own.push(event)
    else users.set(event.userId, [event])
  }
  return users
}
