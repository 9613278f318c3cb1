import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { GroupLag } from '../../streams/lag.ts'
import type { LiveSamples } from './live.ts'

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export interface EdgeMetrics {
  readonly eventsAccepted: Counter
  readonly eventsRejected: Counter<'code'>
  readonly recommendationLatency: Histogram<'scenario'>
  readonly requests: Counter<'method' | 'route' | 'status'>
  readonly requestDuration: Histogram<'method' | 'route'>
  readonly listsNotStored: Counter
  /** Shows the requests in progress as a gauge. */
  observeInFlight(current: () => number): void
}

/** The edge's metrics by the names of DESIGN section 8. Never a user id as a label. */
export function createEdgeMetrics(registry: Registry): EdgeMetrics {
  const registers = [registry]
  return {
    eventsAccepted: new Counter({
      ...{ name: 'events_accepted_total', registers },
      help: 'Events acknowledged after their durable append',
    }),
    eventsRejected: new Counter({
      ...{ name: 'events_rejected_total', registers },
      help: 'Events refused by the edge',
      labelNames: ['code'],
    }),
    recommendationLatency: new Histogram({
      ...{ name: 'recommendation_latency_seconds', registers, buckets: SECONDS },
      help: 'Time to answer a request for recommendations',
      labelNames: ['scenario'],
    }),
    requests: new Counter({
      ...{ name: 'http_requests_total', registers },
      help: 'Answered requests',
      labelNames: ['method', 'route', 'status'],
    }),
    requestDuration: new Histogram({
      ...{ name: 'http_request_duration_seconds', registers, buckets: SECONDS },
      help: 'Time from a request to its answer',
      labelNames: ['method', 'route'],
    }),
    observeInFlight(current) {
      new Gauge({
        ...{ name: 'http_requests_in_progress', registers },
        help: 'Requests that have not been answered yet',
        collect() {
          this.set(current())
        },
      })
    },
    listsNotStored: new Counter({
      ...{ name: 'recommendation_lists_not_stored_total', registers },
      help: 'Computed lists that could not be cached',
    }),
  }
}

/** Lag of every group, read when the metrics are asked for. */
export function registerLagMetrics(registry: Registry, current: () => readonly GroupLag[]): void {
  new Gauge({
    name: 'kafka_consumergroup_lag',
    help: 'Records between the committed and the end offset',
    labelNames: ['consumergroup', 'topic', 'partition'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { group, topic, partition, lagRecords } of current())
        this.set({ consumergroup: group, topic, partition }, lagRecords)
    },
  })
  new Gauge({
    name: 'kafka_consumergroup_group_lag_seconds',
    help: 'Largest lag of a group in seconds',
    labelNames: ['consumergroup'],
    registers: [registry],
    collect() {
      this.reset()
      const seconds = new Map<string, number>()
      for (const { group, lagSeconds } of current()) seconds.set(group, Math.max(lagSeconds, seconds.get(group) ?? 0))
      for (const [consumergroup, value] of seconds) this.set({ consumergroup }, value)
    },
  })
}

/** Lists served, counted where they are made and read when the metrics are asked for. */
export function registerListMetrics(registry: Registry, totals: LiveSamples['totals']): void {
  new Counter({
    name: 'recommendation_lists_total',
    help: 'Lists served, by their first source and whether they came from the cache',
    labelNames: ['source', 'cache'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { source, cached, lists } of totals()) this.inc({ source, cache: cached ? 'hit' : 'miss' }, lists)
    },
  })
}
