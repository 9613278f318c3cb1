import { MillraceError } from '../../../schemas/errors.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import { answers } from '../reply-schemas.ts'

const tags = ['operations']

/** Health and metrics, at the root. */
export function operationRoutes(app: EdgeApp, { context, catalogue, models }: EdgeServices): void {
  app.get(
    '/livez',
    { config: { scope: 'read' }, schema: { tags, summary: 'The process is alive', response: {} } },
    async () => ({ status: 'alive' }),
  )

  app.get(
    '/readyz',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, summary: 'The catalogue is read and lists can be answered; stays 200 while they can' },
        response: answers({}, 503),
      },
    },
    async () => {
      if (!catalogue.ready) throw new MillraceError('NOT_READY', 'the catalogue is still being read')
      return { status: 'ready', modelVersion: models.current()?.version ?? null }
    },
  )

  app.get(
    '/metrics',
    { config: { scope: 'read' }, schema: { tags, summary: 'Prometheus metrics', response: {} } },
    async (_request, reply) => {
      const text = await context.metrics.metrics()
      return reply.header('content-type', context.metrics.contentType).send(text)
    },
  )
}
