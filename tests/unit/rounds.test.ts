import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createRounds } from '../../services/updater/rounds.ts'

test('what comes during a round shares the next one, in the order of arrival and one round at a time', async () => {
  const rounds: number[][] = []
  let inside = 0
  const join = createRounds<number>(
    async (items) => {
      expect(++inside).toBe(1)
      rounds.push([...items])
      await nextTurn()
      inside--
    },
    { sizeOf: () => 1, sizeMax: 3 },
  )
  const first = [join(1), join(2)]
  await Promise.resolve()
  await Promise.resolve()
  const rest = [3, 4, 5, 6, 7].map(join)
  await Promise.all([...first, ...rest])
  expect(rounds).toEqual([[1, 2], [3, 4, 5], [6, 7]]) // biome-ignore format: one line
  await join(8)
  expect(rounds.at(-1)).toEqual([8])
})

test('an item larger than a round is one, and a failure is that of its round alone', async () => {
  const rounds: number[][] = []
  const join = createRounds<number>(
    async (items) => {
      rounds.push([...items])
      if (items.includes(13)) throw new Error('unlucky')
    },
    { sizeOf: (item) => item, sizeMax: 10 },
  )
  const results = await Promise.allSettled([20, 4, 13, 2, 3].map(join))
  expect(rounds).toEqual([[20], [4], [13], [2, 3]])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
})
