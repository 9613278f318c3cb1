import { expect, test } from 'vitest'
import { LIST_CHARACTERS_MAX, ListCache } from '../../stores/user-state/lmdb/list-cache.ts'

const listOf = (body: string) => ({ userRevision: 1, modelVersion: '1', catalogueRevision: '', body })

test('cached lists are bounded by their size, not only by their number: the least recently used go', () => {
  const cache = new ListCache(1_000, () => 0)
  const body = 'x'.repeat(LIST_CHARACTERS_MAX / 10)
  for (let user = 0; user < 25; user++) {
    cache.put(`u${user}`, 'a', listOf(body), 1, 1_000)
    cache.put(`u${user}`, 'b', listOf(body), 1, 1_000)
    cache.get('u0', 'a', '1', '')
  }
  const kept = Array.from({ length: 25 }, (_, user) => cache.get(`u${user}`, 'b', '1', '')).filter(Boolean)
  expect(kept.length).toBeLessThanOrEqual(5)
  expect(kept.length).toBeGreaterThanOrEqual(4)
  expect(cache.get('u24', 'a', '1', '')).not.toBeNull()
  expect(cache.get('u0', 'a', '1', '')).not.toBeNull()
})

test('a list that replaces another takes its place, not more room', () => {
  const cache = new ListCache(1_000, () => 0)
  for (let round = 0; round < 100; round++) {
    for (const user of ['u', 'v']) cache.put(user, 'a', listOf('x'.repeat(LIST_CHARACTERS_MAX / 5)), 1, 1_000)
  }
  expect([cache.get('u', 'a', '1', ''), cache.get('v', 'a', '1', '')].map((list) => list !== null)).toEqual([
    true,
    true,
  ])
})
