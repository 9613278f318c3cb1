import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { invariant, isMillraceError, MillraceError } from '../../schemas/errors.ts'
import { instantiateAlsKernels } from '../kernels/als-kernels.ts'
import { meet, takeChunks } from './barrier.ts'
import { type Crew, halfStep, measureLoss } from './half-step.ts'
import { checkRows, transpose } from './matrix.ts'
import type { WorkerMessage, WorkerTask } from './messages.ts'
import type { AlsFactors } from './port.ts'
import { uniformAt } from './random.ts'
import { type SharedState, sidesOf, viewState } from './shared-state.ts'
import { regularizationOf, weightsOf } from './weights.ts'

/** Rows checked between two looks at the queue. */
const CHECK_ROWS = 4_096

invariant(parentPort !== null, 'engine/als/worker.ts runs as a worker thread only')
work(workerData as WorkerTask, parentPort)

function work(task: WorkerTask, port: MessagePort): void {
  const tell = (message: WorkerMessage, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)
  const { layout, recipe, thread, memory } = task
  const crew: Crew = {
    kernels: instantiateAlsKernels(task.module, memory),
    layout,
    state: viewState(memory, layout),
    weights: weightsOf(recipe),
    thread,
    scratch: layout.scratch + thread * layout.scratchBytes,
  }
  try {
    prepare(crew, task)
    const factors = train(crew, task, tell)
    if (thread !== 0) return
    const buffers = [factors.userFactors.buffer, factors.itemFactors.buffer] as ArrayBuffer[]
    tell({ kind: 'finished', factors }, buffers)
  } catch (error) {
    if (!isMillraceError(error)) throw error
    // The others wait for this thread until the coordinator, told of it, ends them.
    tell({ kind: 'refused', code: error.code, message: error.message, field: error.field })
  }
}

/** Checks the matrix, lays its transpose beside it, sets regularisation and the first item factors. */
function prepare(crew: Crew, task: WorkerTask): void {
  const { state, layout, thread, weights } = crew
  takeChunks(state.control, layout.users, CHECK_ROWS, (from, to) => checkRows(state.matrix, from, to))
  meet(state.control, layout.threads)
  if (thread === 0) transpose(state.matrix, state.transposed)
  if (thread === layout.threads - 1 && !task.itemFactorsGiven) fillItemFactors(state, task)
  meet(state.control, layout.threads)
  takeChunks(state.control, layout.users, CHECK_ROWS, (from, to) => {
    const { rowPointers } = state.matrix
    for (let user = from; user < to; user++) {
      const count = rowPointers[user + 1]! - rowPointers[user]!
      state.userRegularizations[user] = regularizationOf(weights, count, layout.items)
    }
  })
  meet(state.control, layout.threads)
  takeChunks(state.control, layout.items, CHECK_ROWS, (from, to) => {
    const { rowPointers } = state.transposed
    for (let item = from; item < to; item++) {
      const count = rowPointers[item + 1]! - rowPointers[item]!
      state.itemRegularizations[item] = regularizationOf(weights, count, layout.users)
    }
  })
  meet(state.control, layout.threads)
}

/** Uniform with standard deviation 0.1 / sqrt(factors) (Rendle et al. 2022). */
function fillItemFactors(state: SharedState, { layout, recipe }: WorkerTask): void {
  const spread = (2 * Math.sqrt(3) * 0.1) / Math.sqrt(layout.factors)
  for (let item = 0; item < layout.items; item++) {
    for (let factor = 0; factor < layout.factors; factor++) {
      state.itemFactors[item * layout.width + factor] =
        spread * (uniformAt(recipe.seed, item * layout.factors + factor) - 0.5)
    }
  }
}

function train(crew: Crew, task: WorkerTask, tell: (message: WorkerMessage) => void): AlsFactors {
  const { layout, thread } = crew
  const { recipe } = task
  const sides = sidesOf(layout)
  let seconds = 0
  let loss: number | null = null
  for (let iteration = 1; iteration <= recipe.iterations; iteration++) {
    for (const side of [sides.users, sides.items]) {
      const startedAt = performance.now()
      halfStep(crew, side, recipe.solver)
      const secondsOfHalfStep = (performance.now() - startedAt) / 1_000
      seconds += secondsOfHalfStep
      loss = task.reportLoss && side.name === 'items' ? measureLoss(crew, sides.users, sides.items) : null
      const progress = { iteration, iterations: recipe.iterations, side: side.name, secondsOfHalfStep, loss }
      if (thread === 0) tell({ kind: 'progress', progress })
    }
  }
  // The user side ends as the exact solution for the item side: a trained user is the user folded in.
  halfStep(crew, sides.users, 'exact')
  if (task.reportLoss) loss = measureLoss(crew, sides.users, sides.items)
  if (thread !== 0)
    return { userFactors: new Float32Array(0), itemFactors: new Float32Array(0), secondsPerIteration: 0, loss }
  return {
    userFactors: withoutPadding(crew.state.userFactors, layout.users, layout.factors, layout.width),
    itemFactors: withoutPadding(crew.state.itemFactors, layout.items, layout.factors, layout.width),
    secondsPerIteration: seconds / recipe.iterations,
    loss,
  }
}

function withoutPadding(padded: Float32Array, rows: number, factors: number, width: number): Float32Array {
  const plain = factors === width ? new Float32Array(padded) : new Float32Array(rows * factors)
  if (factors !== width) {
    for (let row = 0; row < rows; row++) plain.set(padded.subarray(row * width, row * width + factors), row * factors)
  }
  for (let at = 0; at < plain.length; at++) {
    if (Number.isFinite(plain[at])) continue
    const message = 'the factors left the range of float32: alpha, or the strengths, are too large for this matrix'
    throw new MillraceError('INVALID_MATRIX', `${message}; there is no result`, { field: 'strengths' })
  }
  return plain
}
