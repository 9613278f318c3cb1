import { collectDefaultMetrics, Registry } from 'prom-client'

/** A registry of its own for each process (or test), with Node's default metrics. */
export function createMetrics(): Registry {
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })
  return metrics
}
