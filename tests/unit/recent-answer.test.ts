import { expect, test } from 'vitest'
import { ANSWER_AGE_MAX_MS, createRecentAnswer } from '../../services/edge/recent-answer.ts'

/** Counts its calls; each takes as long on the given clock as `tookMs` says, and answers with its number. */
function slowCount() {
  const clock = { ms: 1_000_000, tookMs: 0, asked: 0 }
  const recent = createRecentAnswer<number>(() => clock.ms)
  const ask = async () => {
    const number = ++clock.asked
    await Promise.resolve()
    clock.ms += clock.tookMs
    return number
  }
  return { clock, count: () => recent(ask) }
}

test('an answer is kept for nine times as long as getting it took, and then got anew', async () => {
  const { clock, count } = slowCount()
  clock.tookMs = 200
  expect(await count()).toBe(1)
  clock.ms += 1_799
  expect(await count()).toBe(1)
  clock.ms += 1
  expect(await count()).toBe(2)
})

test('what takes no time to get is got each time, so that a small deployment sees its counts exactly', async () => {
  const { count } = slowCount()
  expect([await count(), await count(), await count()]).toEqual([1, 2, 3])
})

test('however long getting it took, no answer is older than the limit', async () => {
  const { clock, count } = slowCount()
  clock.tookMs = 600_000
  expect(await count()).toBe(1)
  clock.ms += ANSWER_AGE_MAX_MS - 1
  expect(await count()).toBe(1)
  clock.ms += 1
  expect(await count()).toBe(2)
})

test('who comes while an answer is being got shares it', async () => {
  const { clock, count } = slowCount()
  expect(await Promise.all([count(), count(), count()])).toEqual([1, 1, 1])
  expect(clock.asked).toBe(1)
})

test('a failure is not kept', async () => {
  const recent = createRecentAnswer<number>(() => 0)
  await expect(recent(() => Promise.reject(new Error('away')))).rejects.toThrow('away')
  expect(await recent(async () => 7)).toBe(7)
})

test('a clock that was set back does not keep an answer for longer', async () => {
  const { clock, count } = slowCount()
  clock.tookMs = 100
  expect(await count()).toBe(1)
  clock.ms -= 3_600_000
  expect(await count()).toBe(2)
})
