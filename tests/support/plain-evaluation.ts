// A second implementation of evaluation, straight from the definitions and sharing no code with the engine: sets, sums over
// all positions, all pairs. Slow. Items are ids, users are names, lists are arrays of ids.

export interface PlainWorld {
  /** Net strength by user and item, of everything seen. */
  readonly past: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly future: ReadonlyMap<string, ReadonlyMap<string, number>>
}

/** Liked in the future and never met in the past. */
export function relevantItems({ past, future }: PlainWorld, user: string): ReadonlySet<string> {
  const seen = past.get(user) ?? new Map()
  const liked = [...(future.get(user) ?? [])].filter(([item, strength]) => strength > 0 && !seen.has(item))
  return new Set(liked.map(([item]) => item))
}

export function plainMetrics(
  list: readonly string[],
  relevant: ReadonlySet<string>,
  k: number,
): Record<string, number> {
  const positions = Array.from({ length: k }, (_, index) => index + 1)
  const hit = (position: number) => (relevant.has(list[position - 1] ?? '') ? 1 : 0)
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
  const precision = (at: number) => sum(positions.filter((position) => position <= at).map(hit)) / at
  const best = positions.filter((position) => position <= relevant.size)
  const discount = (position: number) => Math.LN2 / Math.log(position + 1)
  const hits = positions.filter((position) => hit(position) === 1)
  return {
    [`recall_at_${k}`]: hits.length / relevant.size,
    [`ndcg_at_${k}`]: sum(hits.map(discount)) / sum(best.map(discount)),
    [`map_at_${k}`]: sum(hits.map(precision)) / Math.min(k, relevant.size),
    [`mrr_at_${k}`]: Math.max(0, ...hits.map((position) => 1 / position)),
    [`hit_rate_at_${k}`]: hits.length > 0 ? 1 : 0,
  }
}

export function plainCatalogue(lists: readonly (readonly string[])[], { past }: PlainWorld, k: number) {
  const items = [...new Set([...past.values()].flatMap((row) => [...row.keys()]))]
  const shown = lists.map((list) => list.slice(0, k))
  const counts = items.map((item) => shown.filter((list) => list.includes(item)).length)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const differences = counts.flatMap((left) => counts.map((right) => Math.abs(left - right)))
  const holders = (item: string) => [...past.values()].filter((row) => row.has(item)).length
  const withPast = [...past.values()].filter((row) => row.size > 0).length
  const bits = shown.flat().map((item) => Math.log(withPast / holders(item)) / Math.LN2)
  return {
    [`coverage_at_${k}`]: counts.filter((count) => count > 0).length / items.length,
    [`gini_at_${k}`]: total === 0 ? 0 : average(differences) / (2 * (total / items.length)),
    [`novelty_at_${k}`]: average(bits),
    [`diversity_at_${k}`]: average(shown.filter((list) => list.length > 1).map((list) => 1 - meanCosine(list, past))),
  }
}

function meanCosine(list: readonly string[], past: PlainWorld['past']): number {
  const column = (item: string) => [...past.values()].map((row) => row.get(item) ?? 0)
  const dot = (left: readonly number[], right: readonly number[]) =>
    left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0)
  const length = (vector: readonly number[]) => Math.sqrt(dot(vector, vector))
  const cosines = list.flatMap((left, place) =>
    list.slice(place + 1).map((right) => {
      const [first, second] = [column(left), column(right)]
      const scale = length(first) * length(second)
      return scale === 0 ? 0 : dot(first, second) / scale
    }),
  )
  return average(cosines)
}

export function average(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}
