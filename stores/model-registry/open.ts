import { MillraceError } from '../../schemas/errors.ts'
import type { ModelRegistry } from './port.ts'

// Only the adapter that is used is loaded: native modules and SDKs take a while.
/**
 * Opens the registry that the URL's scheme names: `file:DIR`, where DIR belongs to the registry alone, or
 * `http(s)://[user:password@]host:port[/path][?name=NAME]` of an MLflow server, shared by any number of processes.
 * `unreachable` says what a server that does not answer is: an error of each later call (`wait`, the default) or of opening.
 * @throws MillraceError CONFIG_INVALID for another scheme or wrong credentials, and whatever the adapter throws.
 */
export async function openModelRegistry(
  url: string,
  options: { readonly unreachable?: 'wait' | 'refuse' } = {},
): Promise<ModelRegistry> {
  const folder = /^file:(.+)$/.exec(url)?.[1]
  if (folder !== undefined) return await (await import('./files/model-registry.ts')).openFileModelRegistry(folder)
  const { unreachable = 'wait' } = options
  if (/^https?:/.test(url))
    return await (await import('./mlflow/model-registry.ts')).openMlflowModelRegistry(url, { unreachable })
  throw new MillraceError(
    'CONFIG_INVALID',
    `MODEL_REGISTRY_URL has the scheme "${url.split(':')[0]}"; this version knows file:DIR and http(s)://host:port (MLflow)`,
    { field: 'MODEL_REGISTRY_URL' },
  )
}
