import type { GateVerdict, Recipe, RunState, TrainingParameters } from '../../schemas/training.ts'

/** One training run from request to verdict. Times are epoch milliseconds. */
export interface TrainingRun {
  readonly runId: string
  readonly state: RunState
  readonly modelType: 'als'
  readonly parameters: TrainingParameters
  readonly recipe: Recipe | null
  /** How often a trainer has started on it. */
  readonly attempts: number
  /** 0 to 1. */
  readonly progress: number
  /** What is being done now, or why it failed. */
  readonly message: string
  /** Names match [a-z0-9_]+, e.g. ndcg_at_10, popularity_ndcg_at_10. */
  readonly metrics: Readonly<Record<string, number>>
  readonly gate: GateVerdict | null
  readonly lineage: Readonly<Record<string, string>>
  readonly modelVersion: string | null
  readonly createdAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
}

/** A registered model. `version` counts from "1" and is never reused. */
export interface ModelVersion {
  readonly version: string
  readonly runId: string
  /** Key of the encoded model in the artifacts store. */
  readonly artifactKey: string
  readonly recipe: Recipe
  readonly metrics: Readonly<Record<string, number>>
  readonly gate: GateVerdict
  readonly users: number
  readonly items: number
  readonly createdAt: number
}

export type Alias = 'champion' | 'challenger'

export interface AliasChange {
  readonly alias: Alias
  readonly from: string | null
  readonly to: string | null
  readonly reason: string
  readonly at: number
}

/**
 * Runs, model versions and which of them serves.
 * Guarantees: every change is durable and atomic; concurrent `updateRun` patches of different fields both hold;
 * `promote` and `rollback` are serialised, so that of two callers each sees the other's effect, and each is kept in
 * history; `rollback` moves champion back to the version that served before the current one (following history, so that
 * two rollbacks go back two versions). Unknown ids are null.
 * Errors: REGISTRY_UNAVAILABLE, MODEL_NOT_FOUND, RUN_NOT_FOUND, CONFLICT (nothing to roll back to, or `expected`
 * is no longer the champion), CORRUPT_FILE.
 */
export interface ModelRegistry extends AsyncDisposable {
  createRun(
    run: Pick<TrainingRun, 'runId' | 'modelType' | 'parameters'>,
    options: { now: number; signal: AbortSignal },
  ): Promise<TrainingRun>
  getRun(runId: string, options: { signal: AbortSignal }): Promise<TrainingRun | null>
  /** Newest first. */
  listRuns(options: { limit: number; signal: AbortSignal }): Promise<readonly TrainingRun[]>
  updateRun(
    runId: string,
    patch: Partial<Omit<TrainingRun, 'runId' | 'modelType' | 'createdAt'>>,
    options: { signal: AbortSignal },
  ): Promise<TrainingRun>
  registerVersion(
    version: Omit<ModelVersion, 'version' | 'createdAt'>,
    options: { now: number; signal: AbortSignal },
  ): Promise<ModelVersion>
  getVersion(version: string, options: { signal: AbortSignal }): Promise<ModelVersion | null>
  /** Newest first. */
  listVersions(options: { limit: number; signal: AbortSignal }): Promise<readonly ModelVersion[]>
  alias(alias: Alias, options: { signal: AbortSignal }): Promise<string | null>
  promote(
    version: string,
    options: { reason: string; expected?: string | null; now: number; signal: AbortSignal },
  ): Promise<AliasChange>
  rollback(options: { reason: string; now: number; signal: AbortSignal }): Promise<AliasChange>
  setChallenger(
    version: string | null,
    options: { reason: string; now: number; signal: AbortSignal },
  ): Promise<AliasChange>
  /** Newest first. */
  history(options: { limit: number; signal: AbortSignal }): Promise<readonly AliasChange[]>
}
