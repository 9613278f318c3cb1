import fc from 'fast-check'
import { expect, test } from 'vitest'
import { topKTwin } from '../../engine/kernels/twins/top-k.ts'
import type { TopQuery, TopResult } from '../../engine/scoring/port.ts'
import { K_MAX } from '../../engine/top-k/limits.ts'
import { createTopKIndex } from '../../engine/top-k/top-k-index.ts'

/** How the vectors of a case are drawn: each kind presses on another part of the search. */
const RANDOM_SHAPES = [
  ...(['gaussian', 'heavy norms', 'small integers', 'duplicates'] as const),
  ...(['sparse', 'huge and tiny', 'all zero'] as const),
] as const
/** Near ties that only one term of the bounds keeps: the rounding of the query, that of the items, their norms. */
const TIGHT_SHAPES = ['rounded query', 'rounded items', 'parallel'] as const
const SHAPES = [...RANDOM_SHAPES, ...TIGHT_SHAPES] as const
type RandomShape = (typeof RANDOM_SHAPES)[number]
type TightShape = (typeof TIGHT_SHAPES)[number]
type Shape = RandomShape | TightShape

interface Case {
  readonly seed: number
  readonly shape: Shape
  readonly items: number
  readonly width: number
  readonly k: number
  readonly excluded: number
  readonly allowed: number | null
}

const cases: fc.Arbitrary<Case> = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  shape: fc.constantFrom(...SHAPES),
  items: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 71, max: 1_500 })),
  width: fc.oneof(fc.integer({ min: 8, max: 70 }), fc.constantFrom(96, 127, 128, 255, 511, 512)),
  k: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 21, max: K_MAX })),
  /** Share of the items. */
  excluded: fc.constantFrom(0, 0.02, 0.5, 1),
  allowed: fc.constantFrom(null, 0, 0.003, 0.01, 0.5, 1),
})

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

function isTight(shape: Shape): shape is TightShape {
  return (TIGHT_SHAPES as readonly Shape[]).includes(shape)
}

function vectorsOf(shape: Shape, items: number, width: number, random: () => number): Float32Array {
  if (isTight(shape)) return tightItems(shape, items, width, random)
  const factors = new Float32Array(items * width)
  for (let item = 0; item < items; item++) {
    const isCopy = shape === 'duplicates' && item > 0 && random() < 0.7
    const source = isCopy ? Math.floor(random() * item) : item
    const norm = shape === 'heavy norms' ? random() ** -1.5 : shape === 'huge and tiny' ? 10 ** (34 * random() - 17) : 1
    for (let d = 0; d < width; d++) {
      factors[item * width + d] = isCopy ? factors[source * width + d]! : numberOf(shape, norm, random)
    }
  }
  return factors
}

/**
 * The last number sets the scale of the codes and adds nothing to a score. "rounded query": items of ones and zeros, as
 * many ones in each, fall on codes; the query's numbers lie up to 0.45 codes above one. "rounded items": the other way.
 * "parallel": multiples of the query, whose norms say all.
 */
function tightItems(shape: TightShape, items: number, width: number, random: () => number): Float32Array {
  const factors = new Float32Array(items * width)
  for (let item = 0; item < items; item++) {
    const first = Math.floor(random() * (width - 1))
    const multiple = 1 + 0.1 * random()
    for (let d = 0; d < width - 1; d++) {
      const isOne = (d - first + width - 1) % (width - 1) < width / 2
      const tight = { 'rounded query': isOne ? 1 : 0, 'rounded items': 10 + 0.45 * random(), parallel: multiple }
      factors[item * width + d] = tight[shape]
    }
    if (shape === 'rounded items') factors[(item + 1) * width - 1] = 63
  }
  return factors
}

function tightVector(shape: TightShape, width: number, random: () => number): Float32Array {
  const vector = Float32Array.from({ length: width }, () => (shape === 'rounded query' ? 100 + 0.45 * random() : 127))
  vector[width - 1] = shape === 'rounded query' ? 127 : 0
  return vector
}

function numberOf(shape: RandomShape, norm: number, random: () => number): number {
  if (shape === 'all zero') return 0
  if (shape === 'small integers') return Math.floor(random() * 3) - 1
  if (shape === 'sparse') return random() < 0.95 ? 0 : gaussian(random)
  if (shape === 'huge and tiny') return norm * (2 * random() - 1)
  return norm * gaussian(random)
}

function queryOf({ items, width, k, shape, excluded, allowed }: Case, random: () => number): TopQuery {
  const exclude = Int32Array.from({ length: Math.round(items * excluded * 1.1) }, (_, i) =>
    excluded === 1 ? i % items : Math.floor(random() * items),
  )
  return {
    vector: isTight(shape) ? tightVector(shape, width, random) : vectorsOf(shape, 1, width, random),
    k,
    ...(excluded > 0 && { exclude }),
    ...(allowed !== null && { allow: Uint8Array.from({ length: items }, () => (random() < allowed ? 1 : 0)) }),
  }
}

/** Zeros of either sign are one score. */
function listOf({ items, scores }: TopResult): readonly (readonly [number, number])[] {
  return Array.from(items, (item, rank) => [item, scores[rank]! + 0] as const)
}

test('the index gives exactly what scoring and sorting everything gives, ties included', () => {
  fc.assert(
    fc.property(cases, (drawn) => {
      const random = randomOf(drawn.seed)
      const factors = vectorsOf(drawn.shape, drawn.items, drawn.width, random)
      const index = createTopKIndex(factors, drawn.width)
      for (let repeat = 0; repeat < 3; repeat++) {
        const query = queryOf(drawn, random)
        expect(listOf(index.top(query))).toEqual(listOf(topKTwin(factors, drawn.width, query)))
      }
    }),
    { numRuns: 250 },
  )
})

test('an index split over several memories gives the same as one in one piece', () => {
  fc.assert(
    fc.property(cases, (drawn) => {
      const random = randomOf(drawn.seed)
      const factors = vectorsOf(drawn.shape, drawn.items, drawn.width, random)
      const split = createTopKIndex(factors, drawn.width, 1)
      const query = queryOf(drawn, random)
      expect(listOf(split.top(query))).toEqual(listOf(topKTwin(factors, drawn.width, query)))
      const wanted = Int32Array.from({ length: drawn.items }, () => Math.floor(random() * drawn.items))
      expect(split.scores(query.vector, wanted)).toEqual(
        createTopKIndex(factors, drawn.width).scores(query.vector, wanted),
      )
    }),
    { numRuns: 60 },
  )
})

test('an item has the same score alone, in a list, and in a batch', () => {
  fc.assert(
    fc.property(cases, (drawn) => {
      const random = randomOf(drawn.seed)
      const factors = vectorsOf(drawn.shape, drawn.items, drawn.width, random)
      const index = createTopKIndex(factors, drawn.width)
      const queries = [queryOf(drawn, random), queryOf(drawn, random)]
      for (const [at, result] of index.topBatch(queries).entries()) {
        const { vector } = queries[at]!
        expect(index.scores(vector, result.items)).toEqual(result.scores)
        for (const [rank, item] of result.items.entries())
          if (rank < 5) expect(index.scores(vector, Int32Array.of(item))[0]).toBe(result.scores[rank])
      }
    }),
    { numRuns: 60 },
  )
})
