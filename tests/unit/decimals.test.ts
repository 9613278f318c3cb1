import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decimals, rounded } from '../../services/edge/decimals.ts'

test('a score is written as the number it rounds to', () => {
  const scores = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.double({ min: -3, max: 3, noNaN: true }),
    fc.float({ min: -2_000, max: 2_000, noNaN: true }),
    fc.integer({ min: -2_000_000, max: 2_000_000 }).map((micros) => micros / 1e6),
  )
  fc.assert(
    fc.property(scores, (score) => {
      const text = decimals(score)
      expect(JSON.parse(text) + 0).toBe(rounded(score) + 0)
      if (Math.abs(score) < 1e9) expect(text).toMatch(/^-?(0|[1-9]\d*)(\.\d{0,5}[1-9])?$/)
    }),
    { numRuns: 20_000 },
  )
})

test.each([
  [0, '0'],
  [-0, '0'],
  [-0.000_000_4, '0'],
  [1, '1'],
  [0.5, '0.5'],
  [-0.25, '-0.25'],
  [0.000_001, '0.000001'],
  [12.345_678_9, '12.345679'],
  [0.999_999_9, '1'],
  [100.001, '100.001'],
  [1e12, '1000000000000'],
])('%d is written %s', (score, text) => {
  expect(decimals(score)).toBe(text)
})
