import { MillraceError } from '../../schemas/errors.ts'
import { openFileModelRegistry } from './files/model-registry.ts'
import type { ModelRegistry } from './port.ts'

/**
 * Opens the registry that the URL's scheme names: `file:DIR`, where DIR belongs to the registry alone.
 * @throws MillraceError CONFIG_INVALID for another scheme, and whatever the adapter throws.
 */
export async function openModelRegistry(url: string): Promise<ModelRegistry> {
  const folder = /^file:(.+)$/.exec(url)?.[1]
  if (folder !== undefined) return await openFileModelRegistry(folder)
  throw new MillraceError(
    'CONFIG_INVALID',
    `MODEL_REGISTRY_URL has the scheme "${url.split(':')[0]}"; this version knows file:DIR`,
    { field: 'MODEL_REGISTRY_URL' },
  )
}
