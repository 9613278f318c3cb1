import { observationsOf } from '../../engine/history/observations.ts'
import { fillFromLadder, type Offer, type Ranking, type Source } from '../../engine/ranking/ladder.ts'
import { EMPTY_USER, type UserRecord } from '../../schemas/user-record.ts'
import type { Catalogue } from '../runtime/catalogue-port.ts'
import type { Popularity } from '../runtime/popularity.ts'
import { categoriesOf, fallbackOffers } from './fallbacks.ts'
import { personalOffer } from './personal.ts'
import type { PreparedModel } from './prepared-model.ts'
import type { UserRead } from './user-reads.ts'

export interface ListRequest {
  readonly limit: number
  /** Only items of this category. */
  readonly category: string | null
  readonly exclude: readonly string[]
  readonly includeSeen: boolean
  readonly minSource: Source
  /** Titles and categories in the reply. */
  readonly metadata: boolean
}

/** Lists from the ladder personal -> category -> popular -> static. Synchronous: one model from start to end. */
export interface Ranker {
  rankForUser(userId: string, prepared: PreparedModel | null, user: UserRead, request: ListRequest): Ranking
  rankForBasket(basket: readonly string[], prepared: PreparedModel | null, request: ListRequest): Ranking
}

export function createRanker(
  parts: { readonly catalogue: Catalogue; readonly popularity: Popularity },
  halfLifeMs: number,
): Ranker {
  const { catalogue } = parts

  function rank(
    personal: Offer,
    request: ListRequest,
    seen: readonly string[],
    { prepared, own }: { readonly prepared: PreparedModel | null; readonly own: () => readonly string[] },
  ): Ranking {
    const { category } = request
    const only = category === null ? null : catalogue.members(category)
    let excluded: ReadonlySet<string> | null = null
    const isExcluded = (itemId: string) => {
      excluded ??= new Set([...seen, ...request.exclude])
      return excluded.has(itemId) || catalogue.isWithdrawn(itemId) || only?.has(itemId) === false
    }
    const offers = [
      personal,
      ...fallbackOffers(parts, category === null ? own : () => [category], prepared?.scorer.itemIds ?? []),
    ]
    return fillFromLadder(offers, { limit: request.limit, minSource: request.minSource, isExcluded })
  }

  function personal(prepared: PreparedModel, record: UserRecord, request: ListRequest, seen: readonly string[]): Offer {
    const observations = observationsOf(record, halfLifeMs, prepared.scorer)
    const solved = record.factors?.modelVersion === prepared.id ? record.factors.vector : null
    return personalOffer(prepared, solved ?? prepared.scorer.foldIn(observations), observations, {
      exclude: request.exclude.length === 0 ? seen : [...seen, ...request.exclude],
      only: request.category === null ? null : catalogue.members(request.category),
    })
  }

  return {
    rankForUser(userId, prepared, { record, available }, request) {
      const seen = request.includeSeen || record === null ? [] : record.history.map(({ itemId }) => itemId)
      const rest = { prepared, own: () => categoriesOf(catalogue, userId, record) }
      if (!available) return rank({ source: 'personal', skipped: 'state_unavailable' }, request, seen, rest)
      if (record === null) return rank({ source: 'personal', skipped: 'unknown_user' }, request, seen, rest)
      if (prepared === null) return rank({ source: 'personal', skipped: 'no_model' }, request, seen, rest)
      return rank(personal(prepared, record, request, seen), request, seen, rest)
    },
    rankForBasket(basket, prepared, request) {
      const record = { ...EMPTY_USER, history: [...new Set(basket)].map(likedOnce) }
      const rest = { prepared, own: () => categoriesOf(catalogue, null, record) }
      if (basket.length === 0) return rank({ source: 'personal', skipped: 'unknown_user' }, request, basket, rest)
      if (prepared === null) return rank({ source: 'personal', skipped: 'no_model' }, request, basket, rest)
      return rank(personal(prepared, record, request, basket), request, basket, rest)
    },
  }
}

function likedOnce(itemId: string): UserRecord['history'][number] {
  return { itemId, strength: 1, newestAt: 0, events: 1 }
}
