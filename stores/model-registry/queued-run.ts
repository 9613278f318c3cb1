import type { TrainingRun } from './port.ts'

/** A new run, as every registry begins one. */
export function queuedRun(run: Pick<TrainingRun, 'runId' | 'modelType' | 'parameters'>, now: number): TrainingRun {
  return {
    ...{ runId: run.runId, state: 'queued', modelType: run.modelType, parameters: run.parameters, recipe: null },
    ...{ attempts: 0, progress: 0, message: 'waits for a trainer', metrics: {}, gate: null, lineage: {} },
    ...{ modelVersion: null, createdAt: now, startedAt: null, finishedAt: null },
  }
}
