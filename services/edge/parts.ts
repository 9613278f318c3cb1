import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Codecs } from '../../streams/codec/port.ts'
import type { LagMonitor } from '../../streams/lag.ts'
import type { FollowedCatalogue } from '../runtime/catalogue.ts'
import type { Backends, ServiceContext } from '../runtime/context.ts'
import type { Outages } from '../runtime/outages.ts'
import type { Popularity } from '../runtime/popularity.ts'
import type { ServingModels } from '../runtime/serving-model.ts'
import type { LiveSamples } from './live.ts'
import type { EdgeMetrics } from './metrics.ts'
import type { Recommender } from './recommender.ts'

/** What the edge is given beside context and backends. */
export interface EdgeParts {
  readonly codecs: Codecs
  readonly models: ServingModels
  readonly catalogue: FollowedCatalogue
  readonly popularity: Popularity
  readonly lag: Pick<LagMonitor, 'current' | 'sampledAt'>
  readonly live: LiveSamples
  readonly outages: Outages
  /** Folder of the built web page, served at `/` when it exists. */
  readonly consoleFolder: string | null
  /** Requests that may be in progress at a time; more are answered 503. Default 1,000. */
  readonly requestsInFlightMax?: number
}

/** Everything the routes work with. */
export interface EdgeServices extends EdgeParts {
  readonly context: ServiceContext
  readonly backends: Backends
  readonly metrics: EdgeMetrics
  readonly recommender: Recommender
}

export type EdgeApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** What a caller must be allowed to do; every route declares one. */
export type Scope = 'read' | 'write' | 'admin'

declare module 'fastify' {
  interface FastifyContextConfig {
    scope?: Scope
  }
  interface FastifyInstance {
    /** `METHOD path` -> scope, of every route. */
    routeScopes: ReadonlyMap<string, Scope>
    /** Scope of routes that declare none; only where plugins add pages. */
    defaultScope?: Scope
  }
}
