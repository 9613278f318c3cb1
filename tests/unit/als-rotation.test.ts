import { expect, test } from 'vitest'
import { uniformAt } from '../../engine/als/random.ts'
import { compileAlsKernels, instantiateAlsKernels } from '../../engine/kernels/als-kernels.ts'

const MIB = 1 << 20

/** What `diagonalize` makes of the Gram matrix of `rows`. */
function diagonalized(rows: readonly (readonly number[])[], width: number) {
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 65_536, shared: true })
  const gram = Array.from({ length: width }, (_, i) =>
    Array.from({ length: width }, (_, j) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
  )
  new Float64Array(memory.buffer, MIB, width * width).set(gram.flat())
  instantiateAlsKernels(compileAlsKernels(), memory).diagonalize(MIB, 2 * MIB, 3 * MIB, width, 4 * MIB)
  const flat = new Float32Array(memory.buffer, 2 * MIB, width * width)
  const rotation = Array.from({ length: width }, (_, i) => [...flat.subarray(i * width, (i + 1) * width)])
  return { gram, rotation, curvature: [...new Float32Array(memory.buffer, 3 * MIB, width)] }
}

function product(left: readonly (readonly number[])[], right: readonly (readonly number[])[]): number[][] {
  return left.map((row) => right[0]!.map((_, j) => row.reduce((sum, value, i) => sum + value * right[i]![j]!, 0)))
}

function turned(matrix: readonly (readonly number[])[]): number[][] {
  return matrix[0]!.map((_, j) => matrix.map((row) => row[j]!))
}

test.each([
  ['random rows', 64, 200, 1],
  ['curvatures that fall over six powers of ten', 48, 200, 6],
  ['fewer rows than columns', 32, 9, 1],
  ['nothing but zeros', 16, 0, 1],
])('%s: the rotation is orthogonal and leaves the Gram matrix diagonal', (_, width, count, decay) => {
  // The last four columns are padding.
  const rows = Array.from({ length: count }, (_, row) =>
    Array.from({ length: width }, (_, i) =>
      i < width - 4 ? (uniformAt(31, row * width + i) - 0.4) * 10 ** ((-decay * i) / (2 * width)) : 0,
    ),
  )
  const { gram, rotation, curvature } = diagonalized(rows, width)
  const square = product(turned(rotation), product(gram, rotation))
  const unit = product(turned(rotation), rotation)
  const largest = Math.max(...curvature, 1)
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < width; j++) {
      expect(Math.abs(unit[i]![j]! - (i === j ? 1 : 0))).toBeLessThan(1e-6)
      expect(Math.abs(square[i]![j]! - (i === j ? curvature[i]! : 0)) / largest).toBeLessThan(1e-6)
      if (i >= width - 4 || j >= width - 4) expect(rotation[i]![j]).toBe(i === j ? 1 : 0)
    }
  }
})
