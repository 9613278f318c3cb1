import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../schemas/errors.ts'

export interface ThreadsOptions<Message> {
  readonly signal: AbortSignal | undefined
  /** What a thread posts, before its end. */
  readonly onMessage?: (message: Message) => void
}

/** Runs `count` threads of `file` on one task until each has ended by itself; ends all at the first failure or abort. */
export async function runThreads<Message>(
  file: URL,
  count: number,
  task: unknown,
  { signal, onMessage }: ThreadsOptions<Message>,
): Promise<void> {
  throwIfAborted(signal)
  const workers = Array.from({ length: count }, () => new Worker(file, { workerData: task }))
  if (onMessage) for (const worker of workers) worker.on('message', onMessage)
  const stopped = Promise.withResolvers<never>()
  const stop = () => stopped.reject(abortedBy(signal))
  signal?.addEventListener('abort', stop, { once: true })
  try {
    await Promise.race([Promise.all(workers.map(ended)), stopped.promise])
  } finally {
    signal?.removeEventListener('abort', stop)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

/** Stretches of `size` up to `end`, shared by all threads that count on `next`: each is given out once. */
export function* takeStretches(next: Int32Array, size: number, end: number): Generator<{ from: number; to: number }> {
  for (;;) {
    const from = Atomics.add(next, 0, size)
    if (from >= end) return
    yield { from, to: Math.min(end, from + size) }
  }
}

/** @throws MillraceError ABORTED. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBy(signal)
}

function ended(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`invariant broken: an evaluating thread ended with code ${code}`))
    })
  })
}

function abortedBy(signal: AbortSignal | undefined): MillraceError {
  return new MillraceError('ABORTED', 'the evaluation was stopped; its numbers so far are dropped', {
    cause: signal?.reason,
  })
}
