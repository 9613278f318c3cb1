import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Candidate, fillFromLadder, type Offer, SOURCES, type Source } from '../../engine/ranking/ladder.ts'

const REASON = { kind: 'popular', ids: [] } as const
const give = (source: Source, ...itemIds: string[]): Offer => ({
  ...{ source, filtered: false },
  candidates: () => itemIds.map((itemId, at): Candidate => ({ itemId, score: -at, reason: REASON })),
})
const fill = (offers: readonly Offer[], limit = 3, more: { minSource?: Source; excluded?: string[] } = {}) =>
  fillFromLadder(offers, {
    ...{ limit, minSource: more.minSource ?? 'static' },
    isExcluded: (itemId) => more.excluded?.includes(itemId) ?? false,
  })
const idsOf = ({ items }: ReturnType<typeof fill>) => items.map(({ itemId }) => itemId)

test('a source that gives enough is the only one', () => {
  const ranking = fill([give('personal', 'a', 'b', 'c', 'd'), give('popular', 'x')])
  expect(idsOf(ranking)).toEqual(['a', 'b', 'c'])
  expect(ranking.sources).toEqual(['personal'])
  expect(ranking.skipped).toEqual({})
})

test('a short source is filled from the next, in the order of sources whatever the order of offers', () => {
  const ranking = fill([give('static', 'z'), give('popular', 'x', 'y'), give('personal', 'a')], 4)
  expect(ranking.items.map(({ itemId, source }) => `${source}:${itemId}`)).toEqual([
    'personal:a',
    'popular:x',
    'popular:y',
    'static:z',
  ])
  expect(ranking.sources).toEqual(['personal', 'popular', 'static'])
})

test('an item comes once, from the best source that has it, and excluded items never', () => {
  const ranking = fill([give('personal', 'a', 'a', 'b'), give('popular', 'b', 'seen', 'c')], 5, { excluded: ['seen'] })
  expect(idsOf(ranking)).toEqual(['a', 'b', 'c'])
  expect(ranking.items[1]?.source).toBe('personal')
})

test('a source says why it was skipped; one whose every item is excluded has no items', () => {
  const offers: Offer[] = [
    { source: 'personal', skipped: 'unknown_user' },
    give('category', 'seen'),
    give('popular', 'x'),
  ]
  const ranking = fill(offers, 1, { excluded: ['seen'] })
  expect(ranking.sources).toEqual(['popular'])
  expect(ranking.skipped).toEqual({ personal: 'unknown_user', category: 'no_items' })
})

test('minSource refuses what lies below it and says so', () => {
  const ranking = fill([give('personal', 'a'), give('category', 'b'), give('popular', 'c')], 5, {
    minSource: 'category',
  })
  expect(idsOf(ranking)).toEqual(['a', 'b'])
  expect(ranking.skipped).toEqual({ popular: 'below_min_source', static: 'below_min_source' })
})

test('candidates of later sources are not made when they are not needed', () => {
  let asked = 0
  const lazy: Offer = {
    ...{ source: 'popular', filtered: false },
    candidates: () => {
      asked++
      return []
    },
  }
  fill([give('personal', 'a', 'b', 'c'), lazy])
  expect(asked).toBe(0)
})

test('any offers: no more than the limit, nothing twice, nothing excluded, sources in order, as many as there are', () => {
  const ids = fc.array(fc.constantFrom(...'abcdefgh'), { maxLength: 8 })
  fc.assert(
    fc.property(fc.tuple(ids, ids, ids, ids), fc.integer({ min: 1, max: 10 }), ids, (lists, limit, excluded) => {
      const offers = SOURCES.map((source, at) => give(source, ...(lists[at] ?? [])))
      const ranking = fill(offers, limit, { excluded })
      const eligible = new Set(lists.flat().filter((id) => !excluded.includes(id)))
      expect(new Set(idsOf(ranking)).size).toBe(ranking.items.length)
      expect(ranking.items.length).toBe(Math.min(limit, eligible.size))
      expect(idsOf(ranking).filter((id) => excluded.includes(id))).toEqual([])
      const places = ranking.items.map(({ source }) => SOURCES.indexOf(source))
      expect(places).toEqual([...places].sort())
    }),
  )
})
