import { join } from 'node:path'
import type { Settings } from '../../schemas/settings.ts'
import { openArtifacts } from '../../stores/artifacts/open.ts'
import { openEventStore } from '../../stores/event-store/open.ts'
import { openModelRegistry } from '../../stores/model-registry/open.ts'
import { openUserState } from '../../stores/user-state/open.ts'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { Backends } from './context.ts'
import { hasKeptModel } from './model-cache.ts'

type BackendUrls = Pick<
  Settings,
  'LOG_URL' | 'EVENT_STORE_URL' | 'USER_STATE_URL' | 'MODEL_REGISTRY_URL' | 'ARTIFACTS_URL'
>

const EMBEDDED_URL = /^(embedded|duckdb|lmdb|file):/

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

/**
 * Opens the named backends, `warn` being told what an operator should mend; what was opened before a failure is closed
 * again. Dispose closes in reverse order. A server that does not answer is refused by the name of its setting; only model
 * registry and artifacts are waited for, where DATA_DIR has a model to serve meanwhile.
 */
export async function openBackends<Name extends keyof Backends>(
  settings: Settings,
  now: () => number,
  names: readonly Name[],
  warn: (message: string) => void = () => {},
): Promise<Pick<Backends, Name> & AsyncDisposable> {
  const urls = backendUrls(settings)
  const unreachable = hasKeptModel(settings.DATA_DIR) ? 'wait' : 'refuse'
  const open: { [Key in keyof Backends]: () => Promise<Backends[Key]> } = {
    log: () => openEventLog(urls.LOG_URL, { now }),
    eventStore: () => openEventStore(urls.EVENT_STORE_URL),
    userState: () => openUserState(urls.USER_STATE_URL, { listEntriesMax: settings.CACHE_ENTRIES_MAX, now, warn }),
    modelRegistry: () => openModelRegistry(urls.MODEL_REGISTRY_URL, { unreachable }),
    artifacts: () => openArtifacts(urls.ARTIFACTS_URL, { unreachable }),
  }
  await using opening = new AsyncDisposableStack()
  const backends: Partial<Backends> = {}
  for (const name of names) Object.assign(backends, { [name]: opening.use(await open[name]()) })
  const opened = opening.move()
  return { ...(backends as Pick<Backends, Name>), [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** The settings whose backend is embedded, and so open to one process only. */
export function embeddedSettings(settings: Settings, names: readonly (keyof Backends)[]): readonly string[] {
  const settingOf: Readonly<Record<keyof Backends, keyof BackendUrls>> = {
    log: 'LOG_URL',
    eventStore: 'EVENT_STORE_URL',
    userState: 'USER_STATE_URL',
    modelRegistry: 'MODEL_REGISTRY_URL',
    artifacts: 'ARTIFACTS_URL',
  }
  const urls = backendUrls(settings)
  return names.map((name) => settingOf[name]).filter((setting) => EMBEDDED_URL.test(urls[setting]))
}

/** true when no backend needs a server. */
export function isEmbedded(settings: Settings): boolean {
  return Object.values(backendUrls(settings)).every((url) => EMBEDDED_URL.test(url))
}
