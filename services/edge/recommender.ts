import type { Catalogue } from '../runtime/catalogue-port.ts'
import type { ServiceContext } from '../runtime/context.ts'
import type { Popularity } from '../runtime/popularity.ts'
import type { ServingModels } from '../runtime/serving-model.ts'
import { composeList, cutList } from './list-body.ts'
import type { LiveSamples } from './live.ts'
import { createModelPreparation, type PreparedModel } from './prepared-model.ts'
import { createRanker, type ListRequest } from './ranker.ts'
import { type ReplyFacts, replyJson } from './reply.ts'
import type { UserRead, UserReads } from './user-reads.ts'

/** Length of a cached list, and the largest `limit`. */
export const LIST_LENGTH = 100
const DAY_MS = 86_400_000
/** What is cached for a user: everything that a request without filters can be cut from. */
const LONGEST: ListRequest = {
  limit: LIST_LENGTH,
  category: null,
  exclude: [],
  includeSeen: false,
  minSource: 'static',
  metadata: false,
}

export interface UserListRequest extends ListRequest {
  readonly after: string | null
  readonly waitMs: number
}

/** Replies are complete JSON texts. */
export interface Recommender {
  /** The model pinned for one synchronous piece of work; null without one. */
  prepare(): PreparedModel | null
  /** @throws MillraceError INVALID_TOKEN */
  forUser(userId: string, request: UserListRequest, requestId: string, signal: AbortSignal): Promise<string>
  /** For a visitor without an id: a basket of liked items, or nothing. */
  forBasket(basket: readonly string[], request: ListRequest, requestId: string): string
}

interface RecommenderParts {
  readonly models: ServingModels
  readonly catalogue: Catalogue
  readonly popularity: Popularity
  readonly live: LiveSamples
}

export function createRecommender(context: ServiceContext, parts: RecommenderParts, users: UserReads): Recommender {
  const { catalogue, models } = parts
  const prepare = createModelPreparation(models, catalogue, context.now)
  const ranker = createRanker(parts, context.settings.HALF_LIFE_DAYS * DAY_MS)

  /** What lists of a user are made from beside history and model: the items, and what the user has stated. */
  function revisionFor(userId: string): string {
    const stated = catalogue.userRevision(userId)
    return stated === '' ? catalogue.revision : `${catalogue.revision}/${stated}`
  }

  /** Keeps the list unless it came without the user's taste, or from a half-prepared model. */
  function longestList(userId: string, prepared: PreparedModel | null, user: UserRead): string {
    const ranking = ranker.rankForUser(userId, prepared, user, LONGEST)
    const body = composeList(ranking, user.record)
    if (ranking.sources.includes('personal') && user.record !== null && prepared?.complete) {
      users.keepList(userId, {
        ...{ userRevision: user.record.revision, modelVersion: prepared.id },
        ...{ catalogueRevision: revisionFor(userId), body },
      })
    }
    return body
  }

  function finish(body: string, request: ListRequest, facts: Omit<ReplyFacts, 'cut'>): string {
    const exclude = request.exclude.length === 0 ? null : new Set(request.exclude)
    const cut = cutList(body, { limit: request.limit, exclude, metadata: request.metadata ? catalogue : null })
    parts.live.countList(cut.sources[0] ?? null, facts.cache === 'hit')
    return replyJson({ ...facts, degraded: facts.degraded || cut.skipped.includes('store_unavailable'), cut })
  }

  return {
    prepare,
    async forUser(userId, request, requestId, signal) {
      const late = request.after !== null && !(await users.waitApplied(request.after, request.waitMs, signal))
      const facts = { userId, requestId, degraded: late, after: late ? ('timeout' as const) : null }
      const shared = request.category === null && !request.includeSeen && request.minSource === 'static'
      const pinned = models.current()
      const cached = shared && pinned !== null ? users.cachedList(userId, pinned.id, revisionFor(userId)) : null
      // Right after a write there is hardly ever a list: the user is asked for at the same time.
      const early = request.after === null ? null : users.read(userId, signal)
      // Not needed for a list that is there; otherwise its failure is met below.
      early?.catch(() => undefined)
      const list = await cached
      if (pinned !== null && list !== null && hasEnough(list, request))
        return finish(list, request, { ...facts, modelVersion: pinned.version, cache: 'hit' })
      const user = await (early ?? users.read(userId, signal))
      const prepared = prepare()
      let body = shared ? longestList(userId, prepared, user) : null
      if (body === null || !hasEnough(body, request)) {
        body = composeList(ranker.rankForUser(userId, prepared, user, request), user.record)
      }
      const degraded = late || !user.available
      return finish(body, request, { ...facts, degraded, modelVersion: prepared?.version ?? null, cache: 'miss' })
    },
    forBasket(basket, request, requestId) {
      const prepared = prepare()
      const body = composeList(ranker.rankForBasket(basket, prepared, request), null)
      const modelVersion = prepared?.version ?? null
      const facts = { userId: null, requestId, modelVersion, cache: 'miss', degraded: false, after: null } as const
      return finish(body, request, facts)
    },
  }
}

/** A list answers a request unless exclusions leave too few of one that could have been longer. */
function hasEnough(body: string, request: ListRequest): boolean {
  if (request.exclude.length === 0) return true
  const whole = cutList(body, { limit: LIST_LENGTH, exclude: null, metadata: null })
  if (whole.count < LIST_LENGTH) return true
  return !cutList(body, { limit: request.limit, exclude: new Set(request.exclude), metadata: null }).exhausted
}
