import Fastify from 'fastify'
import type { ServiceContext } from './context.ts'
import { listen } from './listen.ts'

/** /livez, /readyz and /metrics of a service that has no other HTTP. */
export interface OperationsServer extends AsyncDisposable {
  readonly url: string
}

/** Listens on HOST and PORT. `ready` answers null, or the reason why the service is not ready. */
export async function startOperationsServer(
  { settings, metrics }: ServiceContext,
  service: string,
  ready: () => string | null,
): Promise<OperationsServer> {
  const server = Fastify({ forceCloseConnections: true })
  server.get('/livez', async () => ({ status: 'ok', service }))
  server.get('/readyz', async (_request, reply) => {
    const reason = ready()
    return reason === null
      ? { status: 'ok', service }
      : reply.status(503).send({ status: 'not ready', service, reason })
  })
  server.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))
  try {
    const url = await listen(server, settings)
    return { url, [Symbol.asyncDispose]: () => server.close() }
  } catch (error) {
    await server.close()
    throw error
  }
}
