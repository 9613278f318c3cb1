import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { EventWeights, Settings } from '../../schemas/settings.ts'
import type { Artifacts } from '../../stores/artifacts/port.ts'
import type { EventStore } from '../../stores/event-store/port.ts'
import type { ModelRegistry } from '../../stores/model-registry/port.ts'
import type { UserState } from '../../stores/user-state/port.ts'
import type { EventLog } from '../../streams/event-log/port.ts'

/** What every service gets beside its backends. Time comes from here, so that tests can own it. */
export interface ServiceContext {
  readonly settings: Settings
  readonly eventWeights: EventWeights
  readonly logger: Logger
  readonly metrics: Registry
  /** Epoch milliseconds. */
  now(): number
}

export interface Backends {
  readonly log: EventLog
  readonly eventStore: EventStore
  readonly userState: UserState
  readonly modelRegistry: ModelRegistry
  readonly artifacts: Artifacts
}

/** What each service needs to be opened for it, and nothing else: a sink does not care whether user state is up. */
export const BACKENDS_OF = {
  edge: ['log', 'eventStore', 'userState', 'modelRegistry', 'artifacts'],
  sink: ['log', 'eventStore'],
  updater: ['log', 'eventStore', 'userState', 'modelRegistry', 'artifacts'],
  trainer: ['log', 'eventStore', 'modelRegistry', 'artifacts'],
} as const satisfies Record<string, readonly (keyof Backends)[]>

export type ServiceName = keyof typeof BACKENDS_OF
export type BackendsOf<Name extends ServiceName> = Pick<Backends, (typeof BACKENDS_OF)[Name][number]>
