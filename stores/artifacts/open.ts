import { MillraceError } from '../../schemas/errors.ts'
import { openFileArtifacts } from './files/artifacts.ts'
import type { Artifacts } from './port.ts'

/**
 * Opens the artifacts that the URL's scheme names: `file:DIR`, where DIR belongs to the store alone.
 * @throws MillraceError CONFIG_INVALID for another scheme, and whatever the adapter throws.
 */
export async function openArtifacts(url: string): Promise<Artifacts> {
  const folder = /^file:(.+)$/.exec(url)?.[1]
  if (folder !== undefined) return await openFileArtifacts(folder)
  throw new MillraceError(
    'CONFIG_INVALID',
    `ARTIFACTS_URL has the scheme "${url.split(':')[0]}"; this version knows file:DIR`,
    { field: 'ARTIFACTS_URL' },
  )
}
