import type { Scorer } from '../../engine/scoring/port.ts'

/** One champion, loaded and ready. A request takes `current()` once and keeps it to its end. */
export interface ServingModel {
  readonly version: string
  readonly scorer: Scorer
  /** Epoch milliseconds. */
  readonly trainedAt: number
  readonly metrics: Readonly<Record<string, number>>
}

export interface ServingModels {
  /** null until the first model exists. */
  current(): ServingModel | null
}
