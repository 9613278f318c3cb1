import type { AlsKernels } from '../kernels/als-kernels.ts'
import { meet, takeChunks } from './barrier.ts'
import { CHUNK_ROWS, type Layout, STRIPES } from './layout.ts'
import { GROUP_BYTES, longRows } from './long-rows.ts'
import type { SharedState, Side } from './shared-state.ts'
import type { Weights } from './weights.ts'

/** Conjugate-gradient steps of a row in a half-step. */
export const CG_STEPS = 3

const ROTATE_ROWS = 512

/** A packed side of more bytes is fetched ahead: it pays beyond the last cache (measured at 32 MiB of it). */
const FAR_BYTES = 24 * 2 ** 20

/** More observations than any row has. */
const ALL = 0x7fffffff

/** Curvature of padding: negative, which the gradient kernel takes as "leave alone". */
const PADDING = -1e30

/** One thread's part in training: every thread runs the same calls in the same order and meets the others between them. */
export interface Crew {
  readonly kernels: AlsKernels
  readonly layout: Layout
  readonly state: SharedState
  readonly weights: Weights
  readonly thread: number
  /** Byte offset of this thread's scratch. */
  readonly scratch: number
}

/** Of the steps of the last half-step: taken until the relative error is below this, see assembly/_gradients.ts. */
const EXACT_ERROR = 1e-5
const EXACT_STEPS = 30

/**
 * Improves (`cg`) or solves (`cholesky` by factorisation, `exact` by gradients until converged) all rows of a side against
 * the other side as it stands. First rotates both sides into the basis in which the Gram matrix is diagonal, which leaves
 * scores, norms and the loss as they are and takes the Gram matrix's product out of every step.
 */
export function halfStep(crew: Crew, side: Side, solver: 'cg' | 'cholesky' | 'exact'): void {
  const { kernels, layout, state, scratch } = crew
  sumGram(crew, side)
  rotate(crew, side)
  if (solver === 'cg') improve(crew, side)
  else {
    const far = side.otherRows * layout.width * 4 > FAR_BYTES ? 1 : 0
    takeChunks(state.control, side.rows, CHUNK_ROWS, (from, to) => {
      const row = rowArguments(crew, side, layout.curvature, from, to)
      if (solver === 'cholesky') kernels.solveRows(...row, scratch)
      else kernels.improveRows(...row, layout.spread, EXACT_STEPS, EXACT_ERROR, ALL, far, scratch)
    })
  }
  meet(state.control, layout.threads)
}

/** A few gradient steps for every row: the groups of long rows first, then the others in chunks. */
function improve(crew: Crew, side: Side): void {
  const { kernels, layout, state, scratch } = crew
  const { longest, tileRows, groups } = longRows(kernels, layout, state, side)
  const far = side.otherRows * layout.width * 2 > FAR_BYTES ? 1 : 0
  const chunks = groups.length + Math.ceil(side.rows / CHUNK_ROWS)
  takeChunks(state.control, chunks, 1, (chunk) => {
    const group = groups[chunk]
    if (group !== undefined) {
      new Int32Array(state.control.buffer, scratch, group.rows.length).set(group.rows)
      const row = rowArguments(crew, side, layout.curvature, scratch, group.rows.length)
      row[1] = layout.packed
      const rest = scratch + GROUP_BYTES
      kernels.improveTogether(...row, layout.spread, CG_STEPS, side.otherRows, tileRows, group.shared ? 1 : 0, rest)
    } else {
      const from = (chunk - groups.length) * CHUNK_ROWS
      const row = rowArguments(crew, side, layout.curvature, from, Math.min(side.rows, from + CHUNK_ROWS))
      row[1] = layout.packed
      kernels.improveRows(...row, layout.spread, CG_STEPS, 0, longest, far, scratch)
    }
  })
}

/** Needs the Gram matrix in the first stripe; leaves the rotated factors, `curvature` and `spread`. */
function rotate(crew: Crew, side: Side): void {
  const { kernels, layout, state, scratch, thread } = crew
  const { width, threads } = layout
  if (thread === 0) {
    kernels.diagonalize(layout.stripes, layout.rotation, layout.curvature, width, scratch)
    settleCurvature(state.curvature, layout.factors)
  }
  meet(state.control, threads)
  const { factors, otherFactors } = side.offsets
  takeChunks(state.control, side.rows, ROTATE_ROWS, (from, to) => {
    kernels.rotateRows(factors, layout.rotation, from, to, width, scratch)
  })
  meet(state.control, threads)
  takeChunks(state.control, side.otherRows, ROTATE_ROWS, (from, to) => {
    kernels.rotateRows(otherFactors, layout.rotation, from, to, width, scratch)
    kernels.pack(layout.packed + from * width * 2, otherFactors + from * width * 4, (to - from) * width * 4)
  })
  meet(state.control, threads)
  takeChunks(state.control, STRIPES, 1, (stripe) => {
    const at = layout.squares + stripe * width * 8
    state.squares.fill(0, stripe * width, (stripe + 1) * width)
    const [from, to] = stripeBounds(side.otherRows, stripe)
    kernels.addSquares(at, side.offsets.otherFactors, side.otherPointers, from, to, width)
  })
  meet(state.control, threads)
  if (thread === 0) {
    for (let factor = 0; factor < width; factor++) {
      let sum = 0
      for (let stripe = 0; stripe < STRIPES; stripe++) sum += state.squares[stripe * width + factor]!
      state.spread[factor] = sum / layout.interactions
    }
  }
  meet(state.control, threads)
}

/**
 * Float32 knows the Gram matrix to about 1e-7 of its largest curvature: less is noise and could make a system singular
 * where nothing regularises it, so curvature ends at a tenth of that.
 */
function settleCurvature(curvature: Float32Array, factors: number): void {
  const real = curvature.subarray(0, factors)
  const floor = real.reduce((largest, value) => Math.max(largest, value), 0) * 1e-8
  for (let factor = 0; factor < factors; factor++) real[factor] = Math.max(real[factor]!, floor)
  curvature.fill(PADDING, factors)
}

function stripeBounds(rows: number, stripe: number): [from: number, to: number] {
  return [Math.floor((rows * stripe) / STRIPES), Math.floor((rows * (stripe + 1)) / STRIPES)]
}

/**
 * The Gram matrix of the other side times its weight: the upper triangle in the first stripe.
 * Rows are summed in STRIPES fixed stripes, and those in order: the number of threads changes nothing.
 */
export function sumGram(crew: Crew, side: Side): void {
  const { kernels, layout, state, weights, thread } = crew
  const { width, threads } = layout
  const cells = width * width
  takeChunks(state.control, STRIPES, 1, (stripe) => {
    state.stripes.fill(0, stripe * cells, (stripe + 1) * cells)
    const [from, to] = stripeBounds(side.otherRows, stripe)
    const at = layout.stripes + stripe * cells * 8
    kernels.addGram(at, side.offsets.otherFactors, from, to, width, crew.scratch)
  })
  meet(state.control, threads)
  if (thread === 0) {
    for (let row = 0; row < width; row++) {
      for (let column = row; column < width; column++) {
        const at = row * width + column
        let sum = 0
        for (let stripe = 0; stripe < STRIPES; stripe++) sum += state.stripes[stripe * cells + at]!
        sum *= weights.gramWeight
        state.stripes[at] = sum
      }
    }
  }
  meet(state.control, threads)
}

/** The loss of engine/als/loss.ts for the factors as they stand. Every thread gets it. */
export function measureLoss(crew: Crew, users: Side, items: Side): number {
  const { kernels, layout, state } = crew
  sumGram(crew, users)
  takeChunks(state.control, users.rows, CHUNK_ROWS, (from, to) => {
    state.losses[from / CHUNK_ROWS] = kernels.lossOfRows(...rowArguments(crew, users, layout.stripes, from, to))
  })
  meet(state.control, layout.threads)
  let loss = 0
  for (let chunk = 0; chunk * CHUNK_ROWS < users.rows; chunk++) loss += state.losses[chunk]!
  for (let item = 0; item < items.rows; item++) {
    let square = 0
    for (let at = item * layout.width; at < (item + 1) * layout.width; at++) square += state.itemFactors[at]! ** 2
    loss += state.itemRegularizations[item]! * square
  }
  meet(state.control, layout.threads)
  return loss
}

function rowArguments(
  crew: Crew,
  side: Side,
  gram: number,
  from: number,
  to: number,
): Parameters<AlsKernels['lossOfRows']> {
  const { factors, otherFactors, pointers, indices, strengths, regularizations } = side.offsets
  const { alpha, quadraticOffset, linearOffset } = crew.weights
  const { width } = crew.layout
  return [
    ...([factors, otherFactors, gram, pointers, indices, strengths, regularizations, from, to, width] as const),
    ...([alpha, quadraticOffset, linearOffset] as const),
  ]
}
