import { nameOf, type Shelf } from './shelf.ts'

export const SOURCES = ['personal', 'category', 'popular', 'static'] as const
export type Source = (typeof SOURCES)[number]

export interface RecommendedItem {
  readonly itemId: string
  readonly rank: number
  readonly score: number
  readonly source: Source
  readonly reason: { readonly kind: string; readonly ids: readonly string[] } | null
  readonly title?: string | null
  readonly categories?: readonly string[]
}

/** Reply of `GET /recommendations/user/{id}` and `GET /recommendations/popular`. */
export interface RecommendReply {
  readonly modelVersion: string | null
  readonly cache: 'hit' | 'miss' | string
  readonly degraded: boolean
  readonly sources: readonly Source[]
  readonly skipped: Readonly<Record<string, string>>
  readonly state: { readonly events: number; readonly lastEventAt: string | null; readonly lagMs: number | null } | null
  readonly after?: string
  readonly items: readonly RecommendedItem[]
}

const VERBS: Readonly<Record<string, string>> = {
  view: 'looked at',
  click: 'opened',
  like: 'liked',
  cart: 'put in the cart',
  purchase: 'bought',
}

/** Why an item is on the list: the words, and the names in them apart, so that the page can set them off. */
export interface ReasonWords {
  readonly words: string
  readonly names: readonly string[]
}

export function reasonWords(item: RecommendedItem, shelf: Shelf, acts: ReadonlyMap<string, string>): ReasonWords {
  const ids = item.reason?.ids ?? []
  const kind = item.reason?.kind ?? item.source
  const first = ids[0]
  if (kind === 'because' && first !== undefined) {
    const verb = VERBS[acts.get(first) ?? ''] ?? 'chose'
    return { words: `because you ${verb}`, names: ids.slice(0, 2).map((id) => nameOf(shelf.known(id), id)) }
  }
  if (kind === 'category') {
    const category = first ?? item.categories?.[0]
    return category === undefined
      ? { words: 'popular in a category of yours', names: [] }
      : { words: 'popular in', names: [category] }
  }
  if (item.source === 'static' || kind === 'static') return { words: 'from the last known list', names: [] }
  if (kind === 'popular') return { words: 'popular now', names: [] }
  return { words: 'close to your taste', names: [] }
}

/** Why a source gave nothing, in words. */
const SKIP_WORDS: Readonly<Record<string, string>> = {
  unknown_user: 'no events of yours yet',
  no_model: 'no model is trained yet',
  no_history: 'no events of yours yet',
  no_signal: 'nothing yet that the model knows and you like',
  below_min_source: 'not asked for',
  state_unavailable: 'user state does not answer',
  store_unavailable: 'event store does not answer',
  no_categories: 'no category of yours is known',
  empty: 'nothing to offer',
}

export function skipWords(reason: string): string {
  return SKIP_WORDS[reason] ?? reason.replaceAll('_', ' ')
}
