import { MillraceError } from '../../schemas/errors.ts'
import { openFileArtifacts } from './files/artifacts.ts'
import type { Artifacts } from './port.ts'

/**
 * Opens the artifacts that the URL's scheme names: `file:DIR`, where DIR belongs to the store alone, or
 * `s3://[ACCESS_KEY_ID:SECRET@]bucket[/prefix][?endpoint=URL&region=REGION&pathStyle=true|false]`, shared by any number of
 * processes; without credentials in the URL the AWS SDK looks for them (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, profiles, roles).
 * `unreachable` says what a server that does not answer is: an error of each later call (`wait`, the default) or of opening.
 * @throws MillraceError CONFIG_INVALID for another scheme or wrong credentials, and whatever the adapter throws.
 */
export async function openArtifacts(
  url: string,
  options: { readonly unreachable?: 'wait' | 'refuse' } = {},
): Promise<Artifacts> {
  const folder = /^file:(.+)$/.exec(url)?.[1]
  if (folder !== undefined) return await openFileArtifacts(folder)
  const { unreachable = 'wait' } = options
  if (url.startsWith('s3:')) {
    // The SDK takes a while to load: only where it is used.
    const { openS3Artifacts } = await import('./s3/artifacts.ts')
    return await openS3Artifacts(url, { unreachable })
  }
  throw new MillraceError(
    'CONFIG_INVALID',
    `ARTIFACTS_URL has the scheme "${url.split(':')[0]}"; this version knows file:DIR and s3://bucket/prefix`,
    { field: 'ARTIFACTS_URL' },
  )
}
