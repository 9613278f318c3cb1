import type { LearnProgress, LearnRequest, LearnResult } from '../../engine/learn/port.ts'
import type { SearchState } from '../../engine/learn/search.ts'
import type { ErrorCode } from '../../schemas/errors.ts'
import type { EventColumns } from '../../schemas/event-columns.ts'
import type { PackedIds } from './packed-ids.ts'

/** What the learning thread gets: the request with ids in shared memory and the champion still encoded. */
export interface LearningTask {
  readonly columns: Omit<EventColumns, 'users' | 'items'> & { readonly users: PackedIds; readonly items: PackedIds }
  readonly champion: { readonly version: string; readonly recordedNdcg: number; readonly encoded: Uint8Array } | null
  readonly settings: Omit<LearnRequest, 'columns' | 'champion'>
}

/** What comes out of a run, encoded and checked in the learning thread. */
export interface Learned extends Pick<LearnResult, 'recipe' | 'verdict' | 'metrics'> {
  readonly encodedModel: Uint8Array
  /** JSON of the EvaluationReport, UTF-8. */
  readonly evaluation: Uint8Array
  readonly users: number
  readonly items: number
}

export type LearningMessage =
  | { readonly kind: 'progress'; readonly progress: LearnProgress }
  | { readonly kind: 'search'; readonly state: SearchState }
  | { readonly kind: 'learned'; readonly learned: Learned }
  | {
      readonly kind: 'failed'
      readonly code: ErrorCode | null
      readonly message: string
      readonly field: string | null
    }
