import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import fastifyStatic from '@fastify/static'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type FastifyInstance, fastify } from 'fastify'
import type { Backends, ServiceContext } from '../runtime/context.ts'
import { addHttpHooks } from './http-hooks.ts'
import { createEdgeMetrics, registerLagMetrics, registerListMetrics } from './metrics.ts'
import { addOpenApi } from './openapi.ts'
import type { EdgeApp, EdgeParts, EdgeServices } from './parts.ts'
import { answerErrors, sendProblem } from './problem.ts'
import { createRecommender } from './recommender.ts'
import { eventRoutes } from './routes/events.ts'
import { explanationRoutes } from './routes/explanations.ts'
import { itemRoutes } from './routes/items.ts'
import { modelRoutes } from './routes/models.ts'
import { monitoringRoutes } from './routes/monitoring.ts'
import { operationRoutes } from './routes/operations.ts'
import { recommendationRoutes } from './routes/recommendations.ts'
import { trainingRoutes } from './routes/training.ts'
import { userRoutes } from './routes/users.ts'
import { declareRead, recordScopes } from './scopes.ts'
import { createUserReads } from './user-reads.ts'
import { createRouteValidation } from './validation.ts'

const BODY_BYTES_MAX = 1_048_576
const REQUESTS_IN_FLIGHT_MAX = 1_000
/** Longer than any path that Node accepts, so that a long id is refused by its own rule and not as an unknown route. */
const PARAMETER_LENGTH_MAX = 65_536

/**
 * The HTTP edge over the given backends, ready to `listen` or `inject`. It does not listen and starts no timers;
 * `app.close()` lets requests in progress finish, then aborts what waits in the background.
 */
export async function createEdge(
  context: ServiceContext,
  backends: Backends,
  parts: EdgeParts,
): Promise<FastifyInstance> {
  const app = createApp()
  const closing = new AbortController()
  app.removeContentTypeParser('text/plain')
  app.addHook('onClose', async () => closing.abort())
  app.setErrorHandler(answerErrors(context.logger, parts.outages))
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, 'ROUTE_NOT_FOUND', `there is no route ${request.method} ${request.url.slice(0, 200)}`),
  )
  recordScopes(app)

  const metrics = createEdgeMetrics(context.metrics)
  registerLagMetrics(context.metrics, parts.lag.current)
  registerListMetrics(context.metrics, parts.live.totals)
  addHttpHooks(app, { metrics, outages: parts.outages }, parts.requestsInFlightMax ?? REQUESTS_IN_FLIGHT_MAX)
  const users = createUserReads(backends, {
    ttlMs: context.settings.CACHE_TTL_SECONDS * 1_000,
    onNotStored(error) {
      metrics.listsNotStored.inc()
      context.logger.debug({ reason: String(error) }, 'a list could not be cached')
    },
  })
  const recommender = createRecommender(context, parts, users)
  const services: EdgeServices = { ...parts, context, backends, metrics, recommender }

  await addOpenApi(app)
  operationRoutes(app, services)
  await app.register(async (api) => addApiRoutes(api, services, closing.signal), { prefix: '/api/v1' })
  if (parts.consoleFolder !== null && existsSync(parts.consoleFolder)) {
    await app.register(async (page) => {
      declareRead(page)
      await page.register(fastifyStatic, { root: parts.consoleFolder as string })
    })
  }
  await app.ready()
  return app as unknown as FastifyInstance
}

function createApp(): EdgeApp {
  const prefix = randomBytes(6).toString('base64url')
  let requests = 0
  return fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    genReqId: () => `${prefix}-${(++requests).toString(36)}`,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => {
      sendProblem(request as never, reply as never, 'INVALID_REQUEST', error.message)
    },
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(createRouteValidation())
    .setSerializerCompiler(() => (reply) => JSON.stringify(reply)) as unknown as EdgeApp
}

function addApiRoutes(api: FastifyInstance, services: EdgeServices, signal: AbortSignal): void {
  const app = api as unknown as EdgeApp
  for (const addRoutes of [
    eventRoutes,
    recommendationRoutes,
    explanationRoutes,
    itemRoutes,
    userRoutes,
    trainingRoutes,
    modelRoutes,
    monitoringRoutes,
  ]) {
    addRoutes(app, services, signal)
  }
}
