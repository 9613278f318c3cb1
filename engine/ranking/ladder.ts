/** Where an item of a list comes from, best first: the order in which a list is filled. */
export const SOURCES = ['personal', 'category', 'popular', 'static'] as const
export type Source = (typeof SOURCES)[number]

/** Why a source gave nothing while items were still wanted. */
export type SkipReason =
  | 'unknown_user'
  | 'no_model'
  | 'no_signal'
  | 'no_categories'
  | 'no_items'
  | 'state_unavailable'
  | 'store_unavailable'
  | 'below_min_source'

export interface Reason {
  /** `because`: items of the user's own history; `category`: category names; `popular`: no ids. */
  readonly kind: 'because' | 'category' | 'popular'
  readonly ids: readonly string[]
}

export interface Candidate {
  readonly itemId: string
  readonly score: number
  readonly reason: Reason
}

/** What one source has to give: candidates, best first, made (or refused) when they are needed; or why it has none. */
export type Offer =
  | { readonly source: Source; readonly skipped: SkipReason }
  | {
      readonly source: Source
      /** true where the candidates already leave out everything that `isExcluded` does, and none comes twice. */
      readonly filtered: boolean
      candidates(wanted: number): Iterable<Candidate> | SkipReason
    }

export interface LadderRequest {
  readonly limit: number
  /** The last source that may be used. */
  readonly minSource: Source
  isExcluded(itemId: string): boolean
}

export interface RankedItem extends Candidate {
  readonly source: Source
}

export interface Ranking {
  /** At most `limit`, no item twice, in the order of sources. */
  readonly items: readonly RankedItem[]
  /** The sources that gave at least one item. */
  readonly sources: readonly Source[]
  /** Sources that were asked and gave nothing, and those that were refused while items were wanted. */
  readonly skipped: Readonly<Partial<Record<Source, SkipReason>>>
}

/** Fills a list from the offers in the order of SOURCES until it has `limit` items or nobody has more to give. */
export function fillFromLadder(offers: readonly Offer[], request: LadderRequest): Ranking {
  const items: RankedItem[] = []
  const sources: Source[] = []
  const skipped: Partial<Record<Source, SkipReason>> = {}
  const last = SOURCES.indexOf(request.minSource)
  let taken: Set<string> | null = null
  for (const [position, source] of SOURCES.entries()) {
    if (items.length >= request.limit) break
    if (position > last) {
      skipped[source] = 'below_min_source'
      continue
    }
    for (const offer of offers) {
      if (offer.source !== source) continue
      if ('skipped' in offer) {
        skipped[source] = offer.skipped
        continue
      }
      const before = items.length
      if (before > 0) taken = new Set(items.map(({ itemId }) => itemId))
      const reason = take(offer, request, items, taken)
      if (items.length > before) sources.push(source)
      else skipped[source] = reason ?? 'no_items'
    }
  }
  return { items, sources, skipped }
}

function take(
  offer: Exclude<Offer, { skipped: SkipReason }>,
  request: LadderRequest,
  items: RankedItem[],
  taken: Set<string> | null,
): SkipReason | null {
  const candidates = offer.candidates(request.limit - items.length)
  if (typeof candidates === 'string') return candidates
  const seen = taken ?? (offer.filtered ? null : new Set<string>())
  for (const { itemId, score, reason } of candidates) {
    if (items.length >= request.limit) return null
    if (seen?.has(itemId) || (!offer.filtered && request.isExcluded(itemId))) continue
    seen?.add(itemId)
    items.push({ itemId, score, reason, source: offer.source })
  }
  return null
}
