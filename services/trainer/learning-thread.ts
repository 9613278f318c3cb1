import { Worker } from 'node:worker_threads'
import type { LearnProgress } from '../../engine/learn/port.ts'
import type { SearchState } from '../../engine/learn/search.ts'
import { MillraceError } from '../../schemas/errors.ts'
import type { Learned, LearningMessage, LearningTask } from './learning-messages.ts'

/**
 * Runs `learn` in a worker thread and resolves to what it made. When `signal` aborts, the thread and all its own threads
 * are ended at once.
 * @throws MillraceError with the code `learn` threw; ABORTED; INTERNAL where the thread died
 */
export function learnInThread(
  task: LearningTask,
  options: {
    readonly signal: AbortSignal
    readonly onProgress: (progress: LearnProgress) => void
    readonly onSearchState: (state: SearchState) => void
  },
): Promise<Learned> {
  const { signal, onProgress, onSearchState } = options
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted())
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task })
    const settle = (finish: () => void) => {
      signal.removeEventListener('abort', stop)
      worker.removeAllListeners('message')
      finish()
      void worker.terminate()
    }
    const stop = () => settle(() => reject(aborted()))
    signal.addEventListener('abort', stop, { once: true })
    worker.on('message', (message: LearningMessage) => {
      if (message.kind === 'progress') onProgress(message.progress)
      else if (message.kind === 'search') onSearchState(message.state)
      else if (message.kind === 'learned') settle(() => resolve(message.learned))
      else settle(() => reject(failure(message)))
    })
    worker.once('error', (cause) => {
      settle(() => reject(new MillraceError('INTERNAL', `the learning thread failed: ${cause}`, { cause })))
    })
    worker.once('exit', (code) => {
      settle(() =>
        reject(new MillraceError('INTERNAL', `the learning thread ended with code ${code} without a result`)),
      )
    })
  })
}

function aborted(): MillraceError {
  return new MillraceError('ABORTED', 'the training run was stopped; it is taken up again after the restart')
}

function failure({ code, message, field }: Extract<LearningMessage, { kind: 'failed' }>): MillraceError {
  return new MillraceError(code ?? 'INTERNAL', message, field === null ? {} : { field })
}
