import { Counter, Histogram, type Registry } from 'prom-client'

export interface UpdaterMetrics {
  readonly freshness: Histogram
  readonly events: Counter<'result'>
  readonly conflicts: Counter
}

/** The updater's metrics on a registry; a second updater in one process shares the first one's. */
export function updaterMetrics(registry: Registry): UpdaterMetrics {
  const registers = [registry]
  return {
    freshness:
      (registry.getSingleMetric('event_freshness_seconds') as Histogram | undefined) ??
      new Histogram({
        name: 'event_freshness_seconds',
        help: 'From the append of an event to its effect on user state',
        buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3_600],
        registers,
      }),
    events:
      (registry.getSingleMetric('updater_events_total') as Counter<'result'> | undefined) ??
      new Counter({
        name: 'updater_events_total',
        help: 'Records the updater has dealt with: applied, duplicate (delivered or sent before) or dead_letter',
        labelNames: ['result'],
        registers,
      }),
    conflicts:
      (registry.getSingleMetric('updater_conflicts_total') as Counter | undefined) ??
      new Counter({
        name: 'updater_conflicts_total',
        help: 'Swaps that found a newer revision and were done again',
        registers,
      }),
  }
}
