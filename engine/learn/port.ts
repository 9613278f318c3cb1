import type { EventColumns } from '../../schemas/event-columns.ts'
import type { GateVerdict, Recipe, TrainingParameters } from '../../schemas/training.ts'
import type { Model } from '../model/model.ts'
import type { SearchState } from './search.ts'

/** The model that serves now, as far as the gate needs it. */
export interface Champion {
  readonly version: string
  readonly model: Model
  /** NDCG@10 recorded when it was accepted. */
  readonly recordedNdcg: number
}

export interface LearnRequest {
  readonly columns: EventColumns
  readonly weights: Readonly<Record<string, number>>
  readonly valueScaledTypes: readonly string[]
  readonly halfLifeDays: number
  readonly parameters: TrainingParameters
  readonly champion: Champion | null
  /** Hyper-parameter candidates tried on the validation slice; 1 takes the defaults. */
  readonly trials: number
  /** Of an interrupted run of the same request: its search goes on from there, to the same result. */
  readonly searchState?: SearchState | null
  readonly threads: number
}

export interface LearnProgress {
  /** 0 to 1 over the whole run. */
  readonly progress: number
  /** e.g. "trial 2 of 4: iteration 7 of 15". */
  readonly message: string
}

/** A metric with its 95 % bootstrap interval. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
}

export interface ModelScores {
  /** By metric name: recall_at_10, recall_at_20, ndcg_at_10, ndcg_at_20, map_at_20, mrr_at_20, hit_rate_at_20. */
  readonly metrics: Readonly<Record<string, Estimate>>
  /** coverage_at_20, novelty_at_20, diversity_at_20, gini_at_20. */
  readonly catalogue: Readonly<Record<string, number>>
}

/** What `GET /training/evaluate/{run}` shows. */
export interface EvaluationReport {
  readonly split: {
    readonly at: number
    readonly trainEvents: number
    readonly holdoutEvents: number
    readonly holdoutUsers: number
    readonly usersWithoutPast: number
    readonly repeatsExcluded: number
    readonly unknownItems: number
  }
  readonly candidate: ModelScores
  /** item-kNN by strengths with 100 neighbours, and by likes with as many as do best on the validation slice. */
  readonly baselines: {
    readonly popularity: ModelScores
    readonly itemKnn: ModelScores
    readonly itemKnnTuned: ModelScores
  }
  readonly itemKnnNeighbours: number
  /** The champion's recipe fitted on the same past; null without a champion. */
  readonly championRecipe: ModelScores | null
  /** By slice of history length ("0", "1-4", "5-19", "20+"): users and the candidate's metrics. */
  readonly slices: readonly {
    readonly slice: string
    readonly users: number
    readonly ndcg_at_10: number
    readonly recall_at_20: number
  }[]
  /** Every measurement of the search, on the validation slice, after `recipe.iterations`. */
  readonly trials: readonly { readonly recipe: Recipe; readonly ndcg_at_10: number }[]
}

export interface LearnResult {
  /** Refit on everything. */
  readonly model: Model
  readonly recipe: Recipe
  readonly evaluation: EvaluationReport
  readonly verdict: GateVerdict
  /** Flat metrics for the registry, e.g. ndcg_at_10, popularity_ndcg_at_10, coverage_at_20, seconds_per_iteration. */
  readonly metrics: Readonly<Record<string, number>>
}

/** Signature of engine/learn/learn.ts `learn`: everything between reading the window and registering the model. */
export type Learn = (
  request: LearnRequest,
  options: {
    readonly signal: AbortSignal
    readonly onProgress: (progress: LearnProgress) => void
    /** The search so far, after each of its measurements: what `LearnRequest.searchState` takes. */
    readonly onSearchState?: (state: SearchState) => void
  },
) => Promise<LearnResult>
