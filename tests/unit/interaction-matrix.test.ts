import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matrixOfPairs } from '../../bench/interaction-matrix.ts'
import { checkRows, checkShape } from '../../engine/als/matrix.ts'

const USERS = ['9007199254740993', '9007199254740992', 'ada', 'bob']
const ITEMS = ['z', 'a', '18446744073709551616', '18446744073709551617', 'm']

const pairs = fc.array(
  fc.tuple(
    fc.nat(USERS.length - 1),
    fc.nat(ITEMS.length - 1),
    fc.integer({ min: -3, max: 3 }).filter((weight) => weight !== 0),
  ),
  { maxLength: 60 },
)

test('a matrix holds the sums of repeated pairs, items in order of their ids, and nothing that cancels out', () => {
  fc.assert(
    fc.property(pairs, (rows) => {
      const { matrix, itemIds, userIds } = matrixOfPairs(columnsOf(rows))
      const sums = new Map<string, number>()
      for (const [user, item, weight] of rows) {
        const key = `${USERS[user]} ${ITEMS[item]}`
        sums.set(key, (sums.get(key) ?? 0) + weight)
      }
      const actual = new Map<string, number>()
      for (let user = 0; user < matrix.users; user++) {
        for (let at = matrix.rowPointers[user]!; at < matrix.rowPointers[user + 1]!; at++) {
          actual.set(`${userIds[user]} ${itemIds[matrix.itemIndices[at]!]}`, matrix.strengths[at]!)
        }
      }
      expect(actual).toEqual(new Map([...sums].filter(([, sum]) => sum !== 0)))
      expect(itemIds).toEqual([...ITEMS].sort())
      if (actual.size === 0) return
      checkShape(matrix)
      checkRows(matrix, 0, matrix.users)
    }),
  )
})

test('weights are added in the order they came, and the columns are given back', () => {
  // In float64: (1 + 2^-60) - 1 is 0, (1 - 1) + 2^-60 is not.
  const tiny = 2 ** -60
  for (const [weights, sum] of [
    [[1, tiny, -1], []],
    [[1, -1, tiny], [tiny]],
  ] as const) {
    const columns = columnsOf(weights.map((weight) => [0, 0, weight]))
    expect([...matrixOfPairs(columns).matrix.strengths]).toEqual(sum)
    expect([columns.userAt.length, columns.itemAt.length, columns.weights.length]).toEqual([0, 0, 0])
  }
})

function columnsOf(rows: readonly (readonly [user: number, item: number, weight: number])[]) {
  return {
    ...{ users: USERS, items: ITEMS, timestamps: null },
    userAt: Int32Array.from(rows, ([user]) => user),
    itemAt: Int32Array.from(rows, ([, item]) => item),
    weights: Float32Array.from(rows, ([, , weight]) => weight),
  }
}
