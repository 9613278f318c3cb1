import type { Model } from '../model/model.ts'
import { createScorer } from '../scoring/scorer.ts'
import { recommendItemKnn } from './item-knn.ts'
import type { Neighbours } from './nearest-items.ts'
import { itemsOf, type PairTable } from './pair-table.ts'
import { recommendPersonal } from './personal.ts'
import { recommendPopular } from './popularity.ts'
import { fillUp, type Recommend } from './recommender.ts'

/** A recommender as data, so that every thread can build its own. `fallback`: item ranks that fill short lists. */
export type Contestant =
  | { readonly kind: 'popularity'; readonly order: Int32Array }
  | {
      readonly kind: 'item-knn'
      readonly nearest: Neighbours
      /** How many of the nearest count. */
      readonly neighbours: number
      readonly fallback: Int32Array
    }
  | {
      readonly kind: 'model'
      readonly model: Model
      /** What users are folded in from: the past with the half-life of the model's recipe. */
      readonly histories: PairTable
      /** Item ids by rank. */
      readonly itemIds: readonly string[]
      readonly fallback: Int32Array
    }
  | {
      /** Lists made elsewhere: users x length item ranks, best first, -1 where there are no more. */
      readonly kind: 'lists'
      readonly lists: Int32Array
      readonly length: number
      readonly fallback: Int32Array
    }

export function recommendAs(contestant: Contestant, past: PairTable): Recommend {
  switch (contestant.kind) {
    case 'popularity':
      return recommendPopular(contestant.order, past)
    case 'item-knn':
      return recommendItemKnn(contestant.nearest, contestant.neighbours, past, contestant.fallback)
    case 'model': {
      const { model, histories, itemIds, fallback } = contestant
      return recommendPersonal(createScorer(model), histories, itemIds, fallback)
    }
    case 'lists':
      return recommendFrom(contestant, past)
  }
}

/** Lists made elsewhere are held to the rules of `Recommend`: nothing seen, nothing twice. */
function recommendFrom(
  { lists, length, fallback }: Extract<Contestant, { kind: 'lists' }>,
  past: PairTable,
): Recommend {
  return (user, k) => {
    const seen = itemsOf(past, user)
    const excluded = new Set(seen)
    const list: number[] = []
    for (const item of lists.subarray(user * length, (user + 1) * length)) {
      if (item < 0 || excluded.has(item) || list.length === k) continue
      excluded.add(item)
      list.push(item)
    }
    return fillUp(Int32Array.from(list), fallback, seen, k)
  }
}
