import type { Contestant } from '../evaluation/contestant.ts'
import { likesOf } from '../evaluation/item-knn.ts'
import { nearestItems } from '../evaluation/nearest-items.ts'
import type { PairTable } from '../evaluation/pair-table.ts'
import type { Contest, Hands } from './contest.ts'

type ItemKnn = Extract<Contestant, { kind: 'item-knn' }>

/** The textbook's: cosine of strengths, so many nearest items. */
const STANDARD = 100
/** By likes, how many of the nearest count depends on the data: a fair baseline is given its choice. */
const CHOICES = [10, 30, 100] as const
/** Where there is nothing to choose on. */
const UNTRIED = 30

export function standardItemKnn({ comparison, popularity }: Contest, hands: Hands): Promise<ItemKnn> {
  return itemKnnBy(comparison.past, STANDARD, popularity, hands)
}

/** Item-kNN by likes on a contest's past, with the number of neighbours that does best on the validation slice. */
export async function tunedItemKnn(contest: Contest, validation: Contest | null, hands: Hands): Promise<ItemKnn> {
  const neighbours = validation === null ? UNTRIED : await bestNeighbours(validation, hands)
  return await itemKnnBy(likesOf(contest.comparison.past), neighbours, contest.popularity, hands)
}

async function bestNeighbours(validation: Contest, hands: Hands): Promise<number> {
  const likes = likesOf(validation.comparison.past)
  const widest = await itemKnnBy(likes, Math.max(...CHOICES), validation.popularity, hands)
  let best: { readonly neighbours: number; readonly ndcg: number } = { neighbours: UNTRIED, ndcg: -1 }
  for (const neighbours of CHOICES) {
    const ndcg = await validation.ndcgOf({ ...widest, neighbours }, hands)
    if (ndcg > best.ndcg) best = { neighbours, ndcg }
  }
  return best.neighbours
}

async function itemKnnBy(pairs: PairTable, neighbours: number, fallback: Int32Array, hands: Hands): Promise<ItemKnn> {
  return { kind: 'item-knn', nearest: await nearestItems(pairs, neighbours, hands), neighbours, fallback }
}
