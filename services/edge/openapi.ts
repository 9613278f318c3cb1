import { readFileSync } from 'node:fs'
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import type { EdgeApp } from './parts.ts'
import { declareRead } from './scopes.ts'

/** The OpenAPI 3.1 document, made from the routes' own schemas, with its page at /docs. */
export async function addOpenApi(app: EdgeApp): Promise<void> {
  const { version, description } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
    description: string
  }
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Millrace', version, description },
      tags: ['events', 'recommendations', 'catalogue', 'training', 'models', 'operations'].map((name) => ({ name })),
    },
  })
  await app.register(async (docs) => {
    declareRead(docs as unknown as FastifyInstance)
    await docs.register(fastifySwaggerUi, { routePrefix: '/docs' })
  })
}
