import { MillraceError } from '../../schemas/errors.ts'
import type { EdgeApp, Scope } from './parts.ts'

/** Refuses a route without a scope when it is added, so that authorisation can be one hook. */
export function recordScopes(app: EdgeApp): void {
  const scopes = new Map<string, Scope>()
  app.decorate('routeScopes', scopes)
  app.addHook('onRoute', ({ method, url, config }) => {
    const scope = config?.scope
    if (scope === undefined) throw new MillraceError('CONFIG_INVALID', `route ${String(method)} ${url} has no scope`)
    for (const name of [method].flat()) scopes.set(`${name} ${url}`, scope)
  })
}

/** For routes that plugins add: pages and documents, free to read. */
export function declareRead(route: { config?: { scope?: Scope } }): void {
  route.config = { ...route.config, scope: 'read' }
}
