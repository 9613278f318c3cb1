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
