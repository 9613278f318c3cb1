import type { AlsKernels } from '../kernels/als-kernels.ts'
import { meet, takeChunks } from './barrier.ts'
import { CHUNK_ROWS, type Layout, STRIPES } from './layout.ts'
import type { SharedState, Side } from './shared-state.ts'
import type { Weights } from './weights.ts'

/** Conjugate-gradient steps of a row in a half-step. */
export const CG_STEPS = 3

const ROTATE_ROWS = 512

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

/**
 * Improves (`cg`) or solves (`cholesky`) all rows of a side against the other side as it stands. `cg` first rotates both
 * sides into the basis in which the Gram matrix is diagonal, which leaves scores, norms and the loss as they are.
 */
export function halfStep(crew: Crew, side: Side, solver: 'cg' | 'cholesky'): void {
  const { kernels, layout, state, scratch } = crew
  sumGram(crew, side)
  if (solver === 'cg') rotate(crew, side)
  takeChunks(state.control, side.rows, CHUNK_ROWS, (from, to) => {
    const row = rowArguments(crew, side, solver === 'cg' ? layout.curvature : layout.stripes)
    row[7] = from
    row[8] = to
    if (solver === 'cg') kernels.improveRows(...row, layout.spread, CG_STEPS, scratch)
    else kernels.solveRows(...row, scratch)
  })
  meet(state.control, layout.threads)
}

/** Needs the Gram matrix in the first stripe; leaves the rotated factors, `curvature` and `spread`. */
function rotate(crew: Crew, side: Side): void {
  const { kernels, layout, state, scratch, thread } = crew
  const { width, threads } = layout
  if (thread === 0) kernels.diagonalize(layout.stripes, layout.rotation, layout.curvature, width, scratch)
  meet(state.control, threads)
  for (const [factors, rows] of [
    [side.offsets.factors, side.rows],
    [side.offsets.otherFactors, side.otherRows],
  ] as const) {
    takeChunks(state.control, rows, ROTATE_ROWS, (from, to) => {
      kernels.rotateRows(factors, layout.rotation, from, to, width, scratch)
    })
    meet(state.control, threads)
  }
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
    const row = rowArguments(crew, users, layout.stripes)
    row[7] = from
    row[8] = to
    state.losses[from / CHUNK_ROWS] = kernels.lossOfRows(...row)
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

function rowArguments(crew: Crew, side: Side, gram: number): Parameters<AlsKernels['lossOfRows']> {
  const { offsets } = side
  const { alpha, quadraticOffset, linearOffset } = crew.weights
  const { factors, otherFactors, pointers, indices, strengths, regularizations } = offsets
  const { width } = crew.layout
  return [
    ...([factors, otherFactors, gram, pointers, indices, strengths, regularizations, 0, 0, width] as const),
    ...([alpha, quadraticOffset, linearOffset] as const),
  ]
}
