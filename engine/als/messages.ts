import type { ErrorCode } from '../../schemas/errors.ts'
import type { Recipe } from '../../schemas/training.ts'
import type { Layout } from './layout.ts'
import type { AlsFactors, AlsProgress } from './port.ts'

/** What a worker thread is started with. */
export interface WorkerTask {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  readonly layout: Layout
  readonly recipe: Recipe
  readonly thread: number
  readonly reportLoss: boolean
  /** Item factors are in the memory already. */
  readonly itemFactorsGiven: boolean
}

/** What a worker thread tells the coordinator; all but refusals come from thread 0. */
export type WorkerMessage =
  | { readonly kind: 'progress'; readonly progress: AlsProgress }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string; readonly field: string | null }
  | { readonly kind: 'finished'; readonly factors: AlsFactors }
