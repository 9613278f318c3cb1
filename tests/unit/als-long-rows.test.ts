import { expect, test } from 'vitest'
import { CG_STEPS } from '../../engine/als/half-step.ts'
import { layOut } from '../../engine/als/layout.ts'
import { GROUP_BYTES, longRows } from '../../engine/als/long-rows.ts'
import { transpose } from '../../engine/als/matrix.ts'
import { uniformAt } from '../../engine/als/random.ts'
import { sidesOf, viewState } from '../../engine/als/shared-state.ts'
import { trainAls } from '../../engine/als/train.ts'
import { compileAlsKernels, instantiateAlsKernels } from '../../engine/kernels/als-kernels.ts'
import { RECIPE, randomMatrix, relativeDistance, rowsOf } from './als-fixtures.ts'

const FACTORS = 256
/** Items 0 to 8 of 9 are had by more users than a tile holds, and their vectors are more than a cache holds. */
const MATRIX = randomMatrix(2_400, 9, 0.8, 21)

/** The item side of MATRIX, ready for a half-step against random users. */
function itemSide(threads: number) {
  const { users, items, itemIndices } = MATRIX
  const layout = layOut({ users, items, interactions: itemIndices.length, factors: FACTORS, threads })
  const memory = new WebAssembly.Memory({ initial: layout.pages, maximum: 65_536, shared: true })
  const state = viewState(memory, layout)
  for (const name of ['rowPointers', 'itemIndices', 'strengths'] as const) state.matrix[name].set(MATRIX[name])
  transpose(state.matrix, state.transposed)
  state.userFactors.forEach((_, at) => {
    state.userFactors[at] = uniformAt(5, at) - 0.5
  })
  state.itemFactors.forEach((_, at) => {
    state.itemFactors[at] = 0.01 * (uniformAt(6, at) - 0.5)
  })
  state.itemRegularizations.fill(2)
  state.curvature.fill(3)
  state.spread.fill(1 / 12)
  const kernels = instantiateAlsKernels(compileAlsKernels(), memory)
  kernels.pack(layout.packed, layout.userFactors, users * FACTORS * 4)
  const side = sidesOf(layout).items
  return { layout, state, kernels, side, long: longRows(kernels, layout, state, side), memory }
}

/** Items after `CG_STEPS` steps, together in groups or one by one. */
function improved(together: boolean, threads: number): number[][] {
  const { layout, state, kernels, side, long, memory } = itemSide(threads)
  const { pointers, indices, strengths, regularizations } = side.offsets
  const row = (from: number, to: number) =>
    [
      ...([
        layout.itemFactors,
        layout.packed,
        layout.curvature,
        pointers,
        indices,
        strengths,
        regularizations,
      ] as const),
      ...([from, to, FACTORS, 2, 0, 0, layout.spread, CG_STEPS] as const),
    ] as const
  const { scratch } = layout
  if (!together) kernels.improveRows(...row(0, side.rows), 0, 0x7fffffff, 0, scratch)
  else {
    for (const { rows, shared } of long.groups) {
      new Int32Array(memory.buffer, scratch, rows.length).set(rows)
      const rest = scratch + GROUP_BYTES
      kernels.improveTogether(...row(scratch, rows.length), side.otherRows, long.tileRows, shared ? 1 : 0, rest)
    }
  }
  return rowsOf(state.itemFactors, FACTORS)
}

test('rows too long for a cache are grouped, each once, the longest first, in more groups for more threads', () => {
  const counts = MATRIX.itemIndices.reduce(
    (sums, item) => sums.with(item, sums[item]! + 1),
    new Array<number>(9).fill(0),
  )
  for (const threads of [1, 8]) {
    const { long } = itemSide(threads)
    expect(long.tileRows).toBeLessThan(Math.min(...counts))
    const rows = long.groups.flatMap((group) => [...group.rows])
    expect(rows.toSorted((left, right) => left - right)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(rows.map((item) => counts[item])).toEqual(counts.toSorted((left, right) => right - left))
    expect(long.groups.length).toBeGreaterThanOrEqual(2 * threads > 9 ? 9 : 2 * threads)
  }
})

test('rows improved together end where they end one by one, whatever their group', () => {
  const [alone, inTwo, inNine] = [improved(false, 1), improved(true, 1), improved(true, 8)]
  expect(inNine).toEqual(inTwo)
  expect(relativeDistance(inTwo, alone)).toBeLessThan(1e-5)
  expect(Math.max(...alone.flat().map(Math.abs))).toBeGreaterThan(0.01)
})

test('a training with such rows gives the same bits with 1, 2 and 8 threads', async () => {
  const recipe = { ...RECIPE, factors: FACTORS, iterations: 1 }
  const [one, ...others] = await Promise.all([1, 2, 8].map((threads) => trainAls(MATRIX, { recipe, threads })))
  for (const again of others) {
    expect(again.itemFactors).toEqual(one!.itemFactors)
    expect(again.userFactors).toEqual(one!.userFactors)
  }
})
