import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../schemas/errors.ts'
import { compileAlsKernels } from '../kernels/als-kernels.ts'
import { type Layout, layOut } from './layout.ts'
import { checkShape } from './matrix.ts'
import type { WorkerMessage, WorkerTask } from './messages.ts'
import type { AlsFactors, AlsOptions, InteractionMatrix, TrainAls } from './port.ts'
import { type SharedState, viewState } from './shared-state.ts'
import { checkRecipe } from './weights.ts'

/** Numbers copied before the event loop gets its turn: about a millisecond. */
const COPY_NUMBERS = 500_000

const THREADS_MAX = 64

/**
 * Trains in worker threads over one shared memory; the calling thread only copies the matrix in, in small pieces.
 * The same matrix, recipe and seed give bit-identical factors whatever the number of threads. Users and items without
 * interactions get zero vectors, and so does a user with nothing but negative strengths.
 *
 * Memory: interactions x 16 bytes, (users + items) x (width x 4 + 12) bytes, the larger side x width x 2 bytes,
 * width^2 x (132 + 16 threads) bytes, and the factors that are returned; width is the number of factors rounded up to 16.
 *
 * Throws INVALID_MATRIX (empty; pointers, indexes or strengths out of bounds, unordered, zero, NaN or infinite),
 * INVALID_PARAMETERS, TOO_LARGE_FOR_MEMORY (all before any training), ABORTED once `signal` aborts.
 */
export const trainAls: TrainAls = async (matrix, options) => {
  const { recipe, threads, signal } = options
  throwIfAborted(signal)
  checkRecipe(recipe)
  if (!Number.isInteger(threads) || threads < 1 || threads > THREADS_MAX) {
    throw new MillraceError('INVALID_PARAMETERS', `threads must be 1 to ${THREADS_MAX}, not ${threads}`, {
      field: 'threads',
    })
  }
  checkShape(matrix)
  checkInitialItemFactors(matrix, options)
  const { users, items } = matrix
  const layout = layOut({ users, items, interactions: matrix.itemIndices.length, factors: recipe.factors, threads })
  const memory = allocate(layout)
  await fill(viewState(memory, layout), layout, matrix, options)
  throwIfAborted(signal)
  const shared = {
    module: compileAlsKernels(),
    memory,
    layout,
    recipe,
    reportLoss: options.reportLoss ?? false,
    itemFactorsGiven: options.initialItemFactors !== undefined,
  }
  return await runWorkers(
    Array.from({ length: threads }, (_, thread) => ({ ...shared, thread })),
    options,
  )
}

function checkInitialItemFactors(matrix: InteractionMatrix, options: AlsOptions): void {
  const given = options.initialItemFactors
  const expected = matrix.items * options.recipe.factors
  if (given !== undefined && given.length !== expected) {
    const message = `initialItemFactors has ${given.length} numbers, must have items x factors = ${expected}`
    throw new MillraceError('INVALID_PARAMETERS', message, { field: 'initialItemFactors' })
  }
}

function allocate(layout: Layout): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: layout.pages, maximum: 65_536, shared: true })
  } catch (cause) {
    const message = `the system refused ${Math.ceil(layout.pages / 16)} MiB of shared memory for training; nothing was trained`
    throw new MillraceError('TOO_LARGE_FOR_MEMORY', message, { cause })
  }
}

async function fill(state: SharedState, layout: Layout, matrix: InteractionMatrix, options: AlsOptions): Promise<void> {
  await copy(matrix.rowPointers, state.matrix.rowPointers)
  await copy(matrix.itemIndices, state.matrix.itemIndices)
  await copy(matrix.strengths, state.matrix.strengths)
  const given = options.initialItemFactors
  if (given === undefined) return
  const { factors, width } = layout
  for (let item = 0; item < layout.items; item++) {
    state.itemFactors.set(given.subarray(item * factors, (item + 1) * factors), item * width)
    if (item % 4_096 === 4_095) await nextTurn()
  }
}

async function copy<T extends Int32Array | Float32Array>(from: T, to: T): Promise<void> {
  for (let at = 0; at < from.length; at += COPY_NUMBERS) {
    to.set(from.subarray(at, at + COPY_NUMBERS), at)
    await nextTurn()
  }
}

/** Ends with thread 0's factors, or throws the first failure; either way no worker is left running. */
async function runWorkers(tasks: readonly WorkerTask[], options: AlsOptions): Promise<AlsFactors> {
  const workers = tasks.map((task) => new Worker(new URL('./worker.ts', import.meta.url), { workerData: task }))
  const { promise, resolve, reject } = Promise.withResolvers<AlsFactors>()
  const onAbort = (): void => reject(abortedBy(options.signal))
  options.signal?.addEventListener('abort', onAbort, { once: true })
  for (const worker of workers) {
    worker.on('error', reject)
    worker.on('exit', (code) => {
      if (code !== 0) reject(new Error(`invariant broken: a training thread ended with code ${code}`))
    })
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'progress') options.onProgress?.(message.progress)
      else if (message.kind === 'finished') resolve(message.factors)
      else
        reject(new MillraceError(message.code, message.message, message.field === null ? {} : { field: message.field }))
    })
  }
  try {
    return await promise
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBy(signal)
}

function abortedBy(signal: AbortSignal | undefined): MillraceError {
  return new MillraceError('ABORTED', 'training was aborted; its factors so far are dropped', { cause: signal?.reason })
}
