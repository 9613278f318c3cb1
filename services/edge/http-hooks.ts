import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { MillraceError } from '../../schemas/errors.ts'
import type { Outages } from '../runtime/outages.ts'
import type { EdgeMetrics } from './metrics.ts'
import { sendProblem } from './problem.ts'

/** Health and metrics are answered however busy the edge is. */
const ALWAYS_ANSWERED = new Set(['/livez', '/readyz', '/metrics'])

const DRAIN_CHECK_MS = 50

/** Of the requests that may be in progress, so many may write: behind a log that hangs there is room for reading. */
const WRITING_SHARE = 0.5
/** Bodies of writes in progress, in bytes: what they are parsed to takes several times as much. A single one always may. */
const WRITING_BYTES_MAX = 64 * 1_048_576

/** Bounds the requests in progress, and the bytes of those that write, and observes every answer. */
export function addHttpHooks(
  app: FastifyInstance,
  { metrics, outages }: { readonly metrics: EdgeMetrics; readonly outages: Outages },
  requestsInFlightMax: number,
): void {
  const writingMax = Math.ceil(requestsInFlightMax * WRITING_SHARE)
  let inFlight = 0
  let writing = 0
  let writingBytes = 0
  const bodyBytesMax = app.initialConfig.bodyLimit ?? 0
  metrics.observeInFlight(() => inFlight)
  // Not in onResponse, which does not run for a client that has left.
  const release = () => {
    inFlight--
  }
  app.addHook('onRequest', (request, reply, done) => {
    inFlight++
    reply.raw.once('close', release)
    const isWriting = request.routeOptions.config.scope === 'write'
    if (isWriting) {
      const bytes = Math.min(Number(request.headers['content-length'] ?? bodyBytesMax), bodyBytesMax)
      writing++
      writingBytes += bytes
      reply.raw.once('close', () => {
        writing--
        writingBytes -= bytes
      })
    }
    const isTooMuch = writing > writingMax || writingBytes > WRITING_BYTES_MAX
    const isTooMany = inFlight > requestsInFlightMax || (isWriting && isTooMuch)
    if (isTooMany && !ALWAYS_ANSWERED.has(request.routeOptions.url ?? '')) {
      const detail = `${requestsInFlightMax} requests, or ${writingMax} writes or ${WRITING_BYTES_MAX} bytes of them, are in progress already; try again in a moment`
      outages.failed(new MillraceError('OVERLOADED', detail), 'requests are refused')
      sendProblem(request, reply, 'OVERLOADED', detail)
      return
    }
    done()
  })
  app.addHook('preClose', (done) => {
    closeConnectionsOnceIdle(app.server, () => inFlight === 0)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown'
    metrics.requests.inc({ method: request.method, route, status: reply.statusCode })
    metrics.requestDuration.observe({ method: request.method, route }, reply.elapsedTime / 1_000)
    done()
  })
}

/**
 * Node waits for connections that were opened and never used, for as long as their clients keep them: they are closed as
 * soon as no request is in progress.
 */
function closeConnectionsOnceIdle(server: Server, idle: () => boolean): void {
  if (!server.listening) return
  const timer = setInterval(() => {
    if (idle()) server.closeAllConnections()
  }, DRAIN_CHECK_MS)
  server.once('close', () => clearInterval(timer))
}
