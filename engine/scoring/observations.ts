import type { Observations } from './port.ts'

/** A strength of exactly zero (a like and a dislike at once) observes nothing. */
export function withoutZeros(observations: Observations): Observations {
  const { items, strengths } = observations
  if (!strengths.some((strength) => Math.fround(strength) === 0)) return observations
  const isSeen = (_: number, j: number): boolean => Math.fround(strengths[j]!) !== 0
  return { items: items.filter(isSeen), strengths: strengths.filter(isSeen) }
}
