import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { itemsOf, strengthsOf } from '../../engine/evaluation/pair-table.ts'
import { aggregatePairs, orderItems, popularityScores, toMatrix } from '../../engine/learn/pairs.ts'
import { splitByTime } from '../../engine/learn/split.ts'
import { columnsOf, type PlainEvent } from '../support/columns.ts'

const DAY = 86_400_000
const at = (times: readonly number[]) =>
  columnsOf(times.map((time) => ({ user: 'u', item: 'i', type: 'view', at: time })))
const whole = (columns: { length: number }) => ({ from: 0, to: columns.length })

describe('the split', () => {
  test('holds out the last tenth', () => {
    const columns = at(Array.from({ length: 20 }, (_, index) => index))
    expect(splitByTime(columns, whole(columns), 0.1)).toEqual({
      past: { from: 0, to: 18 },
      future: { from: 18, to: 20 },
      at: 18,
    })
  })
  test('keeps events of one timestamp together, in the future', () => {
    const columns = at([1, 2, 3, 4, 5, 6, 7, 7, 7, 7])
    expect(splitByTime(columns, whole(columns), 0.1)).toMatchObject({ past: { to: 6 }, at: 7 })
  })
  test('begins later where the tie reaches back to the start, and is null where nothing is later', () => {
    const columns = at([1, 1, 1, 1, 1, 1, 1, 1, 1, 2])
    expect(splitByTime(columns, whole(columns), 0.2)).toMatchObject({ past: { to: 9 }, at: 2 })
    expect(splitByTime(at([5, 5, 5]), { from: 0, to: 3 }, 0.1)).toBeNull()
    expect(splitByTime(at([]), { from: 0, to: 0 }, 0.1)).toBeNull()
  })
  test('never separates a timestamp, and leaves neither side empty', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 60 }), (times) => {
        const columns = at(times)
        const split = splitByTime(columns, whole(columns), 0.1)
        expect(split === null).toBe(new Set(times).size === 1)
        if (split === null) return
        const cut = split.future.from
        expect([split.past.from, split.past.to, split.future.to]).toEqual([0, cut, times.length])
        expect(cut).toBeGreaterThan(0)
        expect(cut).toBeLessThan(times.length)
        expect(columns.timestamp[cut - 1]).toBeLessThan(columns.timestamp[cut] ?? 0)
      }),
    )
  })
})

describe('strengths', () => {
  const rules = { weights: { view: 1, like: 5, dislike: -5 }, valueScaledTypes: ['view'], halfLifeDays: 10 }
  const events: PlainEvent[] = [
    { user: 'a', item: 'y', type: 'like', at: 0 },
    { user: 'a', item: 'x', type: 'view', at: 10 * DAY },
    { user: 'a', item: 'y', type: 'view', at: 20 * DAY, value: 3 },
    { user: 'b', item: 'x', type: 'like', at: 20 * DAY },
    { user: 'b', item: 'x', type: 'dislike', at: 20 * DAY },
    { user: 'b', item: 'z', type: 'gone', at: 21 * DAY },
  ]
  const columns = columnsOf(events)
  const order = orderItems(columns.items)

  test('sum weights decayed from the newest event of the user, scaled by value where configured', () => {
    const pairs = aggregatePairs(columns, order, whole(columns), rules)
    expect(order.itemIds).toEqual(['x', 'y', 'z'])
    expect([...itemsOf(pairs, 0)]).toEqual([0, 1])
    expect([...strengthsOf(pairs, 0)]).toEqual([0.5, 5 / 4 + 3])
    expect([...itemsOf(pairs, 1)], 'seen although it cancels out or has no weight').toEqual([0, 2])
    expect([...strengthsOf(pairs, 1)]).toEqual([0, 0])
  })
  test('decay from the newest event within the slice, whatever comes later', () => {
    const pairs = aggregatePairs(columns, order, { from: 0, to: 2 }, rules)
    expect([...strengthsOf(pairs, 0)]).toEqual([1, 5 / 2])
  })
  test('popularity decays from the newest event of all', () => {
    const [x, y, z] = popularityScores(columns, order, { from: 0, to: 3 }, rules)
    expect([x, y, z]).toEqual([0.5, 5 / 4 + 3, 0])
  })
  test('the matrix leaves out pairs, users and items without strength', () => {
    const { matrix, userOfRow, rankOfColumn } = toMatrix(aggregatePairs(columns, order, whole(columns), rules))
    expect([matrix.users, matrix.items]).toEqual([1, 2])
    expect([[...matrix.rowPointers], [...matrix.itemIndices]]).toEqual([
      [0, 2],
      [0, 1],
    ])
    expect([...matrix.strengths]).toEqual([0.5, 4.25])
    expect([[...userOfRow], [...rankOfColumn]]).toEqual([[0], [0, 1]])
  })
})
