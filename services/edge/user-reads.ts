import { isMillraceError, MillraceError } from '../../schemas/errors.ts'
import type { UserRecord } from '../../schemas/user-record.ts'
import type { UserState } from '../../stores/user-state/port.ts'
import { TOPICS } from '../../streams/topics.ts'
import type { Backends } from '../runtime/context.ts'
import { isWhole } from '../runtime/state-recipe.ts'
import { decodeToken } from './token.ts'

/** Names the format of list-body.ts too: a list that another version has stored is not read. */
const SCENARIO = 'user-2'
/** Lists being stored at a time; more are simply not stored. */
const STORING_MAX = 256

/** What user state says of a user; `available` is false where it does not answer, or is being built and lacks the user. */
export interface UserRead {
  readonly record: UserRecord | null
  readonly available: boolean
}

/** User state as the edge uses it: an unreachable store is an answer, not an error. */
export interface UserReads {
  /** false when the writes behind the token are not applied within `waitMs`. @throws MillraceError INVALID_TOKEN */
  waitApplied(token: string, waitMs: number, signal: AbortSignal): Promise<boolean>
  read(userId: string, signal: AbortSignal): Promise<UserRead>
  /** The current cached list; null where there is none. */
  cachedList(userId: string, modelVersion: string, catalogueRevision: string): Promise<string | null>
  /** Returns at once: a list that is not stored is computed again. */
  keepList(userId: string, list: Parameters<UserState['putList']>[2]): void
}

export function createUserReads(
  { userState, log }: Pick<Backends, 'userState' | 'log'>,
  options: { readonly ttlMs: number; onNotStored(error: unknown): void },
): UserReads {
  let storing = 0
  return {
    async waitApplied(token, waitMs, signal) {
      const target = decodeToken(token, log.id, TOPICS.interactions)
      return orElse(userState.waitApplied(target, { timeoutMs: waitMs, signal }), false)
    },
    async read(userId, signal) {
      const record = await orElse(userState.get(userId, { signal }), 'unavailable' as const)
      if (record === 'unavailable') return { record: null, available: false }
      if (record !== null) return { record, available: true }
      return { record, available: await orElse(isBuilt(userState, signal), false) }
    },
    async cachedList(userId, modelVersion, catalogueRevision) {
      const list = await orElse(userState.getList(userId, SCENARIO, { modelVersion, catalogueRevision }), null)
      return list === null ? null : list.body
    },
    keepList(userId, list) {
      if (storing >= STORING_MAX) return
      storing++
      userState
        .putList(userId, SCENARIO, list, { ttlMs: options.ttlMs })
        .catch(options.onNotStored)
        .finally(() => {
          storing--
        })
    },
  }
}

async function isBuilt(userState: UserState, signal: AbortSignal): Promise<boolean> {
  return isWhole(await userState.recipe({ signal }))
}

/** @throws MillraceError STATE_UNAVAILABLE while the state is being built, so that nobody is called unknown too early. */
export async function refuseUnbuilt(userState: UserState, signal: AbortSignal): Promise<void> {
  if (await isBuilt(userState, signal)) return
  throw new MillraceError('STATE_UNAVAILABLE', 'user state is being built from the event store; retry in a moment')
}

async function orElse<T, const Other>(answer: Promise<T>, other: Other): Promise<T | Other> {
  try {
    return await answer
  } catch (error) {
    if (isMillraceError(error, 'STATE_UNAVAILABLE')) return other
    throw error
  }
}
