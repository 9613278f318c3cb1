import type { Candidate, Offer } from '../../engine/ranking/ladder.ts'
import type { Observations } from '../../engine/scoring/port.ts'
import type { PreparedModel } from './prepared-model.ts'

/** Items of the history that are considered as the reason of a recommendation: those with the greatest strength. */
const REASON_ITEMS_MAX = 16

export interface PersonalRequest {
  /** Item ids that must not come back. */
  readonly exclude: Iterable<string>
  /** Only these items; null for all. */
  readonly only: ReadonlySet<string> | null
}

/** The model's best items for a user's vector. A vector of zeros (only dislikes, only unknown items) gives nothing. */
export function personalOffer(
  prepared: PreparedModel,
  vector: Float32Array,
  observations: Observations,
  request: PersonalRequest,
): Offer {
  if (vector.every((value) => value === 0)) return { source: 'personal', skipped: 'no_signal' }
  return {
    source: 'personal',
    filtered: true,
    candidates(wanted) {
      const { scorer } = prepared
      const exclude = excludedIndexes(prepared, request.exclude)
      const allow = request.only === null ? null : allowedItems(prepared, request.only)
      const { items, scores } = scorer.top({ vector, k: wanted, exclude, ...(allow && { allow }) })
      const because = mostAlike(prepared, observations, items)
      return Array.from(items, (item, at): Candidate => {
        const reason = because[at]
        return {
          itemId: scorer.itemIds[item] as string,
          score: scores[at] as number,
          reason: { kind: 'because', ids: reason === undefined ? [] : [reason] },
        }
      })
    },
  }
}

function excludedIndexes({ scorer, withdrawn }: PreparedModel, itemIds: Iterable<string>): Int32Array {
  const indexes: number[] = []
  for (const itemId of itemIds) {
    const item = scorer.indexOf(itemId)
    if (item !== undefined) indexes.push(item)
  }
  const all = new Int32Array(indexes.length + withdrawn.length)
  all.set(indexes)
  all.set(withdrawn, indexes.length)
  return all
}

export function allowedItems({ scorer }: PreparedModel, only: ReadonlySet<string>): Uint8Array {
  const allow = new Uint8Array(scorer.itemIds.length)
  for (const itemId of only) {
    const item = scorer.indexOf(itemId)
    if (item !== undefined) allow[item] = 1
  }
  return allow
}

/**
 * For each recommended item the liked item that speaks for it most: strength times cosine, over the strongest liked ones.
 * A cheap stand-in for the exact shares of the score, which `GET /users/{id}/because/{item}` gives.
 */
function mostAlike({ scorer }: PreparedModel, observations: Observations, items: Int32Array): (string | undefined)[] {
  const { factors: width } = scorer.model.recipe
  const because: (string | undefined)[] = new Array(items.length)
  const best = new Float64Array(items.length)
  for (const at of strongest(observations)) {
    const liked = observations.items[at] as number
    const vector = scorer.model.itemFactors.subarray(liked * width, (liked + 1) * width)
    const length = lengthOf(vector)
    if (length === 0) continue
    const scale = (observations.strengths[at] as number) / length
    const alike = scorer.scores(vector, items)
    for (let i = 0; i < items.length; i++) {
      const share = (alike[i] as number) * scale
      if (share > (best[i] as number)) {
        best[i] = share
        because[i] = scorer.itemIds[liked]
      }
    }
  }
  return because
}

function lengthOf(vector: Float32Array): number {
  let squares = 0
  for (let d = 0; d < vector.length; d++) squares += (vector[d] as number) ** 2
  return Math.sqrt(squares)
}

function strongest({ strengths }: Observations): number[] {
  const positive: number[] = []
  for (let at = 0; at < strengths.length; at++) if ((strengths[at] as number) > 0) positive.push(at)
  if (positive.length <= REASON_ITEMS_MAX) return positive
  return positive
    .sort((left, right) => (strengths[right] as number) - (strengths[left] as number))
    .slice(0, REASON_ITEMS_MAX)
}
