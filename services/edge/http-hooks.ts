import type { FastifyInstance } from 'fastify'
import type { EdgeMetrics } from './metrics.ts'
import { sendProblem } from './problem.ts'

/** Health and metrics are answered however busy the edge is. */
const ALWAYS_ANSWERED = new Set(['/livez', '/readyz', '/metrics'])

/** Bounds the requests in progress and observes every answer. */
export function addHttpHooks(app: FastifyInstance, metrics: EdgeMetrics, requestsInFlightMax: number): void {
  let inFlight = 0
  app.addHook('onRequest', (request, reply, done) => {
    inFlight++
    if (inFlight > requestsInFlightMax && !ALWAYS_ANSWERED.has(request.routeOptions.url ?? '')) {
      sendProblem(
        request,
        reply,
        'OVERLOADED',
        `${requestsInFlightMax} requests are in progress already; try again in a moment`,
      )
      return
    }
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    inFlight--
    const route = request.routeOptions.url ?? 'unknown'
    metrics.requests.inc({ method: request.method, route, status: reply.statusCode })
    metrics.requestDuration.observe({ method: request.method, route }, reply.elapsedTime / 1_000)
    done()
  })
}
