import { uniformAt } from '../engine/als/random.ts'

/** MovieLens-20M as recommender papers use it (ratings of 4 and more): 137,000 x 20,000, 10 million, power laws. */
export const MOVIELENS_SHAPE = { users: 137_000, items: 20_000, interactions: 10_000_000, seed: 1 }
export type InteractionShape = typeof MOVIELENS_SHAPE

/** Tastes: item ranks r with equal r modulo TASTES are of one kind; a user favours two kinds. */
const TASTES = 20
const TASTE_SHARE = 0.6

/**
 * Distinct items of every user in turn, ascending, the same for the same shape on every machine. Activity of users and
 * popularity of items follow power laws (Pareto 1.5; Zipf-Mandelbrot 1.2), and users share tastes, so that there is
 * something to learn. The total is within a few per cent of `interactions`.
 */
export function* generateUsers(shape: InteractionShape): Generator<Int32Array> {
  const { users, items, seed } = shape
  const cumulative = popularity(items)
  const itemOfRank = permutation(items, seed)
  const scale = activityScale(shape)
  let draws = 0
  const draw = (): number => uniformAt(seed + 2, draws++)
  for (let user = 0; user < users; user++) {
    const wanted = activity(uniformAt(seed + 1, user), scale, items)
    const tastes = [Math.floor(draw() * TASTES), Math.floor(draw() * TASTES)] as const
    const chosen = new Set<number>()
    for (let attempt = 0; chosen.size < wanted && attempt < wanted * 20; attempt++) {
      const rank = rankAt(cumulative, draw())
      const kind = draw()
      const taste = kind < TASTE_SHARE ? tastes[kind < TASTE_SHARE / 2 ? 0 : 1] : rank % TASTES
      chosen.add(itemOfRank[Math.min(items - 1, rank - (rank % TASTES) + taste)]!)
    }
    yield Int32Array.from(chosen).sort()
  }
}

function activity(uniform: number, scale: number, items: number): number {
  return Math.min(Math.floor(items / 8), Math.max(1, Math.floor(scale * (1 - uniform) ** (-1 / 1.5))))
}

/** The smallest activity, found by bisection, so that all users together have `interactions`. */
function activityScale({ users, items, interactions, seed }: InteractionShape): number {
  const draws = Float64Array.from({ length: users }, (_, user) => uniformAt(seed + 1, user))
  let low = 0
  let high = (2 * interactions) / users + 2
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2
    const total = draws.reduce((sum, uniform) => sum + activity(uniform, middle, items), 0)
    if (total < interactions) low = middle
    else high = middle
  }
  return high
}

function popularity(items: number): Float64Array {
  const cumulative = new Float64Array(items)
  let total = 0
  for (let rank = 0; rank < items; rank++) {
    total += 1 / (rank + 30) ** 1.2
    cumulative[rank] = total
  }
  return cumulative.map((value) => value / total)
}

function rankAt(cumulative: Float64Array, uniform: number): number {
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (cumulative[middle]! < uniform) low = middle + 1
    else high = middle
  }
  return low
}

function permutation(length: number, seed: number): Int32Array {
  const order = Int32Array.from({ length }, (_, at) => at)
  for (let at = length - 1; at > 0; at--) {
    const other = Math.floor(uniformAt(seed + 3, at) * (at + 1))
    const kept = order[at]!
    order[at] = order[other]!
    order[other] = kept
  }
  return order
}
