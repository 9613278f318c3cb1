import type { Candidate, Offer } from '../../engine/ranking/ladder.ts'
import type { UserRecord } from '../../schemas/user-record.ts'
import type { PopularItem } from '../../stores/event-store/port.ts'
import type { Catalogue } from '../runtime/catalogue-port.ts'
import type { Popularity } from '../runtime/popularity.ts'

/** Categories of a user's own history that lists are filled from. */
const OWN_CATEGORIES_MAX = 3
/** Of a long history, the newest entries speak for its categories. */
const ENTRIES_CONSIDERED_MAX = 200

interface Parts {
  readonly catalogue: Catalogue
  readonly popularity: Popularity
}

/**
 * What there is without a user's taste: the given categories in turns, what is popular, and what was popular before.
 * `known` are the items of the model, where there is one.
 */
export function fallbackOffers(
  parts: Parts,
  categories: () => readonly string[],
  known: readonly string[],
): readonly Offer[] {
  return [categoryOffer(parts, categories), popularOffer(parts.popularity.current()), staticOffer(parts, known)]
}

/** Stated categories first, then those that the user's own history is made of, the strongest first. */
export function categoriesOf(
  catalogue: Catalogue,
  userId: string | null,
  record: UserRecord | null,
): readonly string[] {
  const stated = userId === null ? [] : (catalogue.user(userId)?.categories ?? [])
  const own = new Map<string, number>()
  for (const { itemId, strength } of record?.history.slice(-ENTRIES_CONSIDERED_MAX) ?? []) {
    for (const category of catalogue.item(itemId)?.categories ?? []) {
      own.set(category, (own.get(category) ?? 0) + strength)
    }
  }
  const strongest = [...own]
    .filter(([, strength]) => strength > 0)
    .sort((left, right) => right[1] - left[1] || (left[0] < right[0] ? -1 : 1))
    .slice(0, OWN_CATEGORIES_MAX)
  return [...new Set([...stated, ...strongest.map(([category]) => category)])]
}

export function popularOffer(items: readonly PopularItem[] | null): Offer {
  if (items === null) return { source: 'popular', skipped: 'store_unavailable' }
  return { source: 'popular', filtered: false, candidates: () => popularCandidates(items) }
}

function categoryOffer(parts: Parts, categories: () => readonly string[]): Offer {
  return {
    source: 'category',
    filtered: false,
    candidates() {
      const found = categories()
      return found.length === 0 ? 'no_categories' : inTurns(parts, found)
    },
  }
}

/** The last answer of the event store that was kept, then whatever catalogue and model have: no list is empty before they are. */
export function staticOffer({ catalogue, popularity }: Parts, known: readonly string[]): Offer {
  return {
    source: 'static',
    filtered: false,
    *candidates() {
      yield* popularCandidates(popularity.saved())
      for (const { itemId } of catalogue.items()) yield unranked(itemId)
      for (const itemId of known) yield unranked(itemId)
    },
  }
}

function unranked(itemId: string): Candidate {
  return { itemId, score: 0, reason: { kind: 'popular', ids: [] } }
}

function* popularCandidates(items: readonly PopularItem[]): Generator<Candidate> {
  for (const { itemId, score } of items) yield { itemId, score, reason: { kind: 'popular', ids: [] } }
}

/** One item of each category after the other, so that the first category does not take the whole list. */
function* inTurns(parts: Parts, categories: readonly string[]): Generator<Candidate> {
  let open = categories.map((category) => membersByPopularity(parts, category))
  while (open.length > 0) {
    const still: typeof open = []
    for (const members of open) {
      const { value, done } = members.next()
      if (done) continue
      yield value
      still.push(members)
    }
    open = still
  }
}

function* membersByPopularity({ catalogue, popularity }: Parts, category: string): Generator<Candidate, void> {
  const reason = { kind: 'category', ids: [category] } as const
  const members = catalogue.members(category)
  for (const { itemId, score } of popularity.ofCategory(category)) {
    if (members.has(itemId)) yield { itemId, score, reason }
  }
  for (const itemId of members) yield { itemId, score: 0, reason }
}
