import { expect, test } from 'vitest'
import { decodeModel, encodeModel } from '../../engine/model/encoding.ts'
import type { Model } from '../../engine/model/model.ts'
import { isMillraceError } from '../../schemas/errors.ts'

const model: Model = {
  recipe: {
    preset: 'ials',
    factors: 8,
    iterations: 15,
    alpha: 10,
    alpha0: 0.1,
    regularization: 0.003,
    nu: 1,
    halfLifeDays: 90,
    solver: 'cg',
    seed: 7,
  },
  itemIds: ['a', 'b"\\', 'c'],
  itemFactors: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
  gram: Float64Array.from({ length: 64 }, (_, i) => Math.cos(i) / 3),
  users: 12,
  interactions: 345,
  dataUntil: 1_700_000_000_000,
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (isMillraceError(error)) return error.code
    throw error
  }
  return 'no error'
}

test('a model comes back equal, to the last bit', () => {
  expect(decodeModel(encodeModel(model))).toEqual(model)
})

test('a model without items comes back equal', () => {
  const empty = { ...model, itemIds: [], itemFactors: new Float32Array(0) }
  expect(decodeModel(encodeModel(empty))).toEqual(empty)
})

test('aligned bytes are viewed without a copy, unaligned ones are copied', () => {
  const bytes = encodeModel(model)
  expect(decodeModel(bytes).itemFactors.buffer).toBe(bytes.buffer)
  expect(decodeModel(bytes).itemFactors.byteOffset % 64).toBe(0)
  const shifted = new Uint8Array(bytes.length + 3)
  shifted.set(bytes, 3)
  expect(decodeModel(shifted.subarray(3))).toEqual(model)
})

test('bytes of another kind and of another version are UNKNOWN_FORMAT', () => {
  const bytes = encodeModel(model)
  expect(codeOf(() => decodeModel(new Uint8Array(0)))).toBe('UNKNOWN_FORMAT')
  expect(codeOf(() => decodeModel(new TextEncoder().encode('{"a long enough": "json document"}')))).toBe(
    'UNKNOWN_FORMAT',
  )
  bytes[8] = 2
  expect(codeOf(() => decodeModel(bytes))).toBe('UNKNOWN_FORMAT')
})

test('a model cut anywhere after its magic is CORRUPT_FILE', () => {
  const bytes = encodeModel(model)
  for (let length = 16; length < bytes.length; length++) {
    expect(codeOf(() => decodeModel(bytes.slice(0, length)))).toBe('CORRUPT_FILE')
  }
})

test('a header changed to nonsense and a factor changed to NaN are CORRUPT_FILE', () => {
  const bytes = encodeModel(model)
  const header = bytes.slice()
  header[20] = 0xff
  expect(codeOf(() => decodeModel(header))).toBe('CORRUPT_FILE')
  decodeModel(bytes).itemFactors[5] = Number.NaN
  expect(codeOf(() => decodeModel(bytes))).toBe('CORRUPT_FILE')
})

test.each<[string, Partial<Model>]>([
  ['a NaN factor', { itemFactors: new Float32Array(24).fill(Number.NaN) }],
  ['an infinite factor', { itemFactors: new Float32Array(24).fill(-Infinity) }],
  ['an infinite Gram matrix', { gram: new Float64Array(64).fill(Infinity) }],
  ['a factor too few', { itemFactors: new Float32Array(23) }],
  ['a Gram matrix of another width', { gram: new Float64Array(63) }],
  ['ids out of order', { itemIds: ['b', 'a', 'c'] }],
  ['a repeated id', { itemIds: ['a', 'a', 'c'] }],
  ['an id with a line break', { itemIds: ['a', 'b\n', 'c'] }],
])('a model with %s is refused before anything is stored', (_, part) => {
  expect(codeOf(() => encodeModel({ ...model, ...part }))).toBe('INVALID_PARAMETERS')
})
