import fc from 'fast-check'
import { expect, test } from 'vitest'
import { likesOf, recommendItemKnn } from '../../engine/evaluation/item-knn.ts'
import { itemKnnTwin } from '../../engine/evaluation/item-knn.twin.ts'
import { nearestItems } from '../../engine/evaluation/nearest-items.ts'
import { createRandom } from '../../engine/evaluation/random.ts'
import { highestPositive } from '../../engine/evaluation/sparse-sums.ts'
import { aggregatePairs, orderItems } from '../../engine/learn/pairs.ts'
import { columnsOf, type PlainEvent } from '../support/columns.ts'

function randomPairs(seed: number, users: number, items: number, count: number) {
  const random = createRandom(seed)
  const events: PlainEvent[] = Array.from({ length: count }, (_, index) => ({
    user: `u${Math.floor(random() * users)}`,
    item: `i${Math.floor(random() ** 2 * items)}`,
    type: random() < 0.9 ? 'like' : 'dislike',
    at: index * 1_000,
  }))
  const columns = columnsOf(events)
  const rules = { weights: { like: 5, dislike: -5 }, valueScaledTypes: [], halfLifeDays: 0.001 }
  return aggregatePairs(columns, orderItems(columns.items), { from: 0, to: columns.length }, rules)
}

test('item-kNN and its twin recommend the same items in the same order', async () => {
  let compared = 0
  // Few items, which nearly all share a user, and many of which few do.
  for (const [seed, neighbours, items, events] of [
    [1, 3, 25, 120],
    [2, 40, 25, 120],
    [3, 8, 25, 120],
    [4, 5, 120, 60],
  ] as const) {
    const pairs = randomPairs(seed, 15, items, events)
    const kept = await nearestItems(pairs, neighbours + 2, { threads: 1 })
    const recommend = recommendItemKnn(kept, neighbours, pairs, new Int32Array(0))
    for (let user = 0; user < pairs.users; user++) {
      const list = [...recommend(user, 10)]
      expect(list).toEqual(itemKnnTwin(pairs, user, neighbours, 10))
      compared += list.length
    }
  }
  expect(compared).toBeGreaterThan(100)
})

test('neighbours are the same to the last bit on 1, 2 and 3 threads', async () => {
  const pairs = randomPairs(5, 300, 450, 120_000)
  const [first, ...others] = await Promise.all([1, 2, 3].map((threads) => nearestItems(pairs, 20, { threads })))
  expect(first?.pointers.at(-1)).toBeGreaterThan(5_000)
  for (const other of others) expect(other).toEqual(first)
})

test('finding neighbours ends with ABORTED when it is stopped', async () => {
  const stop = new AbortController()
  const running = nearestItems(randomPairs(5, 300, 450, 120_000), 20, { threads: 2, signal: stop.signal })
  stop.abort()
  await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
})

test('the highest k are those of a full sort, ties by smaller index', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -3, max: 12 }), { maxLength: 400 }),
      fc.integer({ min: 1, max: 60 }),
      (numbers, k) => {
        const values = Float64Array.from(numbers)
        const expected = numbers
          .map((value, index) => ({ value, index }))
          .filter(({ value }) => value > 0)
          .sort((left, right) => right.value - left.value || left.index - right.index)
          .slice(0, k)
          .map(({ index }) => index)
        expect([...highestPositive(values, Int32Array.from(numbers.keys()), k)]).toEqual(expected)
      },
    ),
  )
})

test('likes are positive strengths, each as much as any other', () => {
  const pairs = randomPairs(4, 10, 12, 80)
  const likes = likesOf(pairs)
  expect([...likes.strengths]).toEqual(Array.from(pairs.strengths, (strength) => (strength > 0 ? 1 : 0)))
  expect(new Set(likes.strengths)).toEqual(new Set([0, 1]))
  expect(likes.itemRanks).toBe(pairs.itemRanks)
})
