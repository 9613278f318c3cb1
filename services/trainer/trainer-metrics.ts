import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { ModelRegistry } from '../../stores/model-registry/port.ts'

/** The champion's metrics that are shown; those of the baselines stay in the registry. */
const SHOWN = /^(recall|ndcg|map|mrr|hit_rate|coverage|novelty|diversity|gini)_at_\d+$/

export interface TrainerMetrics {
  readonly duration: Histogram
  /** By final state of a run; `unknown` and `unreadable` count requests that name no run. */
  readonly runs: Counter<'state'>
}

/** `ml_model_accuracy` is read from the registry when it is asked for, so that it also follows a rollback. */
export function createTrainerMetrics(
  metrics: Registry,
  registry: ModelRegistry,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): TrainerMetrics {
  for (const name of ['ml_training_duration_seconds', 'ml_model_accuracy', 'training_runs_total']) {
    metrics.removeSingleMetric(name)
  }
  const duration = new Histogram({
    name: 'ml_training_duration_seconds',
    help: 'Seconds from the start of a training attempt to its verdict',
    buckets: [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200],
    registers: [metrics],
  })
  const runs = new Counter({
    name: 'training_runs_total',
    help: 'Training runs by final state',
    labelNames: ['state'],
    registers: [metrics],
  })
  const accuracy: Gauge<'metric'> = new Gauge({
    name: 'ml_model_accuracy',
    help: 'Metrics of the champion on its holdout',
    labelNames: ['metric'],
    registers: [metrics],
    async collect() {
      try {
        const version = await registry.alias('champion', { signal })
        const champion = version === null ? null : await registry.getVersion(version, { signal })
        accuracy.reset()
        for (const [metric, value] of Object.entries(champion?.metrics ?? {})) {
          if (SHOWN.test(metric)) accuracy.set({ metric }, value)
        }
      } catch (error) {
        accuracy.reset()
        onFailure(error)
      }
    },
  })
  return { duration, runs }
}
