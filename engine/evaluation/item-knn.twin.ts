import { itemsOf, type PairTable, strengthsOf } from './pair-table.ts'

/** The slow, readable twin of item-knn.ts: dense columns, every pair of items, full sorts. Scores only, no fallback. */
export function itemKnnTwin(pairs: PairTable, user: number, neighbours: number, k: number): number[] {
  const columns = denseColumns(pairs)
  const history = [...itemsOf(pairs, user)]
  const strengths = [...strengthsOf(pairs, user)]
  const scores = columns.map((_, candidate) => {
    let score = 0
    for (const [index, item] of history.entries()) {
      const nearest = columns
        .map((column, other) => ({ other, similarity: other === item ? 0 : cosine(columns[item]!, column) }))
        .filter((entry) => entry.similarity > 0)
        .sort((left, right) => right.similarity - left.similarity || left.other - right.other)
        .slice(0, neighbours)
      score += (nearest.find((entry) => entry.other === candidate)?.similarity ?? 0) * strengths[index]!
    }
    return { candidate, score }
  })
  return scores
    .filter(({ candidate, score }) => score > 0 && !history.includes(candidate))
    .sort((left, right) => right.score - left.score || left.candidate - right.candidate)
    .slice(0, k)
    .map(({ candidate }) => candidate)
}

function denseColumns(pairs: PairTable): number[][] {
  const columns = Array.from({ length: pairs.items }, () => new Array<number>(pairs.users).fill(0))
  for (let user = 0; user < pairs.users; user++) {
    const strengths = strengthsOf(pairs, user)
    for (const [index, item] of itemsOf(pairs, user).entries()) columns[item]![user] = strengths[index]!
  }
  return columns
}

function cosine(left: readonly number[], right: readonly number[]): number {
  const dot = (first: readonly number[], second: readonly number[]) =>
    first.reduce((sum, value, index) => sum + value * second[index]!, 0)
  const scale = Math.sqrt(dot(left, left)) * Math.sqrt(dot(right, right))
  return scale === 0 ? 0 : dot(left, right) / scale
}
