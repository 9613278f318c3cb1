import { Counter, Histogram, type Registry } from 'prom-client'

export interface SinkMetrics {
  readonly events: Counter
  readonly batchRows: Histogram
  readonly insertSeconds: Histogram
  readonly deadLetters: Counter<'topic' | 'code'>
  readonly recordsLost: Counter
}

/** The sink's metrics on a registry; a second sink in one process shares the first one's. */
export function sinkMetrics(registry: Registry): SinkMetrics {
  const registers = [registry]
  return {
    events:
      (registry.getSingleMetric('sink_events_total') as Counter | undefined) ??
      new Counter({ name: 'sink_events_total', help: 'Events acknowledged by the event store', registers }),
    batchRows:
      (registry.getSingleMetric('sink_batch_rows') as Histogram | undefined) ??
      new Histogram({
        name: 'sink_batch_rows',
        help: 'Events per insert',
        buckets: [1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000],
        registers,
      }),
    insertSeconds:
      (registry.getSingleMetric('sink_insert_seconds') as Histogram | undefined) ??
      new Histogram({
        name: 'sink_insert_seconds',
        help: 'Time of one insert',
        buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
        registers,
      }),
    deadLetters:
      (registry.getSingleMetric('dead_letters_total') as Counter<'topic' | 'code'> | undefined) ??
      new Counter({
        name: 'dead_letters_total',
        help: 'Records moved to the dead letters',
        labelNames: ['topic', 'code'],
        registers,
      }),
    recordsLost:
      (registry.getSingleMetric('sink_records_lost_total') as Counter | undefined) ??
      new Counter({
        name: 'sink_records_lost_total',
        help: 'Records that retention removed from the log before the sink had read them',
        registers,
      }),
  }
}
