import { expect, test } from 'vitest'
import { createRandom } from '../../engine/evaluation/random.ts'
import { type ChampionEvidence, type GateEvidence, judge } from '../../engine/gate/gate.ts'

const random = createRandom(11)
const base = Float64Array.from({ length: 300 }, () => random())
const shifted = (by: number) => base.map((value) => value + by)
const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length

function evidence(change: Partial<GateEvidence> = {}): GateEvidence {
  const value = mean(base)
  return {
    candidate: base,
    candidateEstimate: { value, low: value - 0.03, high: value + 0.03 },
    popularity: shifted(-0.2),
    itemKnn: shifted(-0.1),
    itemKnnTuned: shifted(-0.05),
    champion: null,
    seed: 1,
    ...change,
  }
}

function champion(change: Partial<ChampionEvidence> = {}): ChampionEvidence {
  const nothing = new Float64Array(0)
  return {
    version: '7',
    recordedNdcg: mean(base),
    recipe: base,
    artifact: { newerEvents: 12, candidate: nothing, champion: nothing },
    ...change,
  }
}

test('a first model above both baselines is accepted, and the verdict says with which numbers', () => {
  const { accepted, reasons } = judge(evidence())
  expect(accepted).toBe(true)
  expect(reasons.join('\n')).toMatch(/measured on 300 users/)
  expect(reasons.join('\n')).toMatch(/0\.\d{4} is above popularity's 0\.\d{4}/)
  expect(reasons.join('\n')).toMatch(/no champion/)
})

test.each([
  ['popularity', { popularity: shifted(0.01) }, /not above popularity's/],
  ['item-kNN', { itemKnn: shifted(0) }, /not above item-kNN's/],
  ['the tuned item-kNN', { itemKnnTuned: shifted(0.01) }, /worse than 0\.\d{4} of the tuned item-kNN/],
  [
    'too few users',
    { candidate: base.slice(0, 4), popularity: base.slice(0, 4).map(() => 0), itemKnn: base.slice(0, 4).map(() => 0) },
    /4 users, at least 5/,
  ],
] as const)('a candidate is rejected for %s, and that reason comes first', (_name, change, reason) => {
  const { accepted, reasons } = judge(evidence(change))
  expect(accepted).toBe(false)
  expect(reasons[0]).toMatch(reason)
})

test('a champion with the same recipe does not stand in the way', () => {
  const { accepted, reasons } = judge(evidence({ champion: champion() }))
  expect(accepted).toBe(true)
  expect(reasons.join('\n')).toMatch(/not compared: 12 held-out events are newer/)
})

test('a small but sure loss against the recipe of the champion is refused', () => {
  const { accepted, reasons } = judge(evidence({ champion: champion({ recipe: shifted(0.005) }) }))
  expect(accepted).toBe(false)
  expect(reasons[0]).toMatch(/is worse than .* of the recipe of champion 7 .*difference -0\.0050/)
})

test('a large loss is refused even where few users leave it unproven, a small unproven one is not', () => {
  const noise = base.map((value, user) => value + (user % 2 === 0 ? 0.9 : -0.9))
  expect(judge(evidence({ champion: champion({ recipe: noise.map((value) => value + 0.01) }) })).accepted).toBe(true)
  expect(judge(evidence({ champion: champion({ recipe: noise.map((value) => value + 0.04) }) })).accepted).toBe(false)
})

test('a score clearly below what was recorded for the champion is refused', () => {
  const { accepted, reasons } = judge(evidence({ champion: champion({ recordedNdcg: mean(base) * 1.25 }) }))
  expect(accepted).toBe(false)
  expect(reasons[0]).toMatch(/more than 10 % below the .* recorded for champion 7/)
  expect(judge(evidence({ champion: champion({ recordedNdcg: mean(base) * 1.12 }) })).accepted).toBe(true)
})

test('the artifact of the champion decides only on 1,000 newer events and more', () => {
  const artifact = { candidate: base, champion: shifted(0.1) }
  const verdict = (newerEvents: number) =>
    judge(evidence({ champion: champion({ artifact: { ...artifact, newerEvents } }) }))
  expect(verdict(999).accepted).toBe(true)
  expect(verdict(1_000).accepted).toBe(false)
  expect(verdict(1_000).reasons[0]).toMatch(/champion 7 itself on 1000 newer events/)
})
