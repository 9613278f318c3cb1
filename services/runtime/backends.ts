import { join } from 'node:path'
import type { Settings } from '../../schemas/settings.ts'
import { openArtifacts } from '../../stores/artifacts/open.ts'
import { openEventStore } from '../../stores/event-store/open.ts'
import { openModelRegistry } from '../../stores/model-registry/open.ts'
import { openUserState } from '../../stores/user-state/open.ts'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { Backends } from './context.ts'

type BackendUrls = Pick<
  Settings,
  'LOG_URL' | 'EVENT_STORE_URL' | 'USER_STATE_URL' | 'MODEL_REGISTRY_URL' | 'ARTIFACTS_URL'
>

/** Every backend's URL: the setting, or the embedded default below DATA_DIR where it is empty. */
export function backendUrls(settings: Settings): BackendUrls {
  const below = (...path: string[]) => join(settings.DATA_DIR, ...path)
  return {
    LOG_URL: settings.LOG_URL || `embedded:${below('log')}`,
    EVENT_STORE_URL: settings.EVENT_STORE_URL || `duckdb:${below('event-store', 'events.duckdb')}`,
    USER_STATE_URL: settings.USER_STATE_URL || `lmdb:${below('user-state')}`,
    MODEL_REGISTRY_URL: settings.MODEL_REGISTRY_URL || `file:${below('model-registry')}`,
    ARTIFACTS_URL: settings.ARTIFACTS_URL || `file:${below('artifacts')}`,
  }
}

/** Opens all five; what was opened before a failure is closed again. Dispose closes in reverse order. */
export async function openBackends(settings: Settings, now: () => number): Promise<Backends & AsyncDisposable> {
  const urls = backendUrls(settings)
  await using opening = new AsyncDisposableStack()
  const log = opening.use(await openEventLog(urls.LOG_URL, { now }))
  const eventStore = opening.use(await openEventStore(urls.EVENT_STORE_URL))
  const userState = opening.use(
    await openUserState(urls.USER_STATE_URL, { listEntriesMax: settings.CACHE_ENTRIES_MAX, now }),
  )
  const modelRegistry = opening.use(await openModelRegistry(urls.MODEL_REGISTRY_URL))
  const artifacts = opening.use(await openArtifacts(urls.ARTIFACTS_URL))
  const opened = opening.move()
  return {
    ...{ log, eventStore, userState, modelRegistry, artifacts },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** true when no backend needs a server. */
export function isEmbedded(settings: Settings): boolean {
  return Object.values(backendUrls(settings)).every((url) => /^(embedded|duckdb|lmdb|file):/.test(url))
}
