import { Worker } from 'node:worker_threads'
import { type ErrorCode, MillraceError } from '../../schemas/errors.ts'
import type { TopKMemories } from '../top-k/top-k-index.ts'

/** Vectors in the order of their ids, which vector stands where, and the index over them. In shared memory. */
export interface IndexedVectors {
  readonly order: Int32Array
  readonly factors: Float32Array
  readonly memories: TopKMemories
}

/** What preparation-worker.ts does, by kind. Arrays in shared memory are not copied. */
export type PreparationTask =
  /** Decodes and checks a model; only its index comes back. */
  | { readonly kind: 'model'; readonly bytes: Uint8Array }
  /** An index over the rows scaled to length one. */
  | { readonly kind: 'unit'; readonly factors: Float32Array; readonly width: number }
  /** Puts vectors in the order of their ids. */
  | {
      readonly kind: 'supplement'
      readonly itemIds: readonly string[]
      readonly factors: Float32Array
      readonly width: number
    }

export interface Prepared {
  readonly model: TopKMemories
  readonly unit: TopKMemories
  readonly supplement: IndexedVectors
}

export type PreparationMessage =
  | { readonly kind: 'prepared'; readonly prepared: Prepared[keyof Prepared] }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string; readonly field: string | null }

/**
 * Does in a thread of its own what would hold the event loop up: a few microseconds an item.
 * @throws MillraceError what the work throws (decodeModel, checkFactors, fillTopKMemories); ABORTED
 */
export async function prepareInThread<Task extends PreparationTask>(
  task: Task,
  signal?: AbortSignal,
): Promise<Prepared[Task['kind']]> {
  const worker = new Worker(new URL('./preparation-worker.ts', import.meta.url), { workerData: task })
  const { promise, resolve, reject } = Promise.withResolvers<Prepared[keyof Prepared]>()
  const stop = (): void => {
    reject(new MillraceError('ABORTED', 'preparing a model was stopped', { cause: signal?.reason }))
  }
  worker.on('message', (message: PreparationMessage) => {
    if (message.kind === 'prepared') resolve(message.prepared)
    else
      reject(new MillraceError(message.code, message.message, message.field === null ? {} : { field: message.field }))
  })
  worker.once('error', reject)
  worker.once('exit', (code) => reject(new Error(`invariant broken: a preparing thread ended with code ${code}`)))
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  try {
    return (await promise) as Prepared[Task['kind']]
  } finally {
    signal?.removeEventListener('abort', stop)
    await worker.terminate()
  }
}
