import type { FastifyInstance } from 'fastify'
import { MillraceError } from '../../schemas/errors.ts'
import type { EdgeApp, Scope } from './parts.ts'

/** Refuses a route without a scope when it is added, so that authorisation can be one hook. */
export function recordScopes(app: EdgeApp): void {
  const scopes = new Map<string, Scope>()
  app.decorate('routeScopes', scopes)
  app.addHook('onRoute', function addScope(this: FastifyInstance, route) {
    const scope = route.config?.scope ?? this.defaultScope
    if (scope === undefined)
      throw new MillraceError('CONFIG_INVALID', `route ${String(route.method)} ${route.url} has no scope`)
    route.config = { ...route.config, scope }
    for (const method of [route.method].flat()) scopes.set(`${method} ${route.url}`, scope)
  })
}

/** For routes that plugins add below `app`: pages and documents, free to read. */
export function declareRead(app: FastifyInstance): void {
  app.decorate('defaultScope', 'read')
}
