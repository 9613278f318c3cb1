import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'

const FULL = ['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'XAmzStorageFull']
const CREDENTIALS = ['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'AccessDenied', 'Forbidden']
const WRONG_PLACE = ['NoSuchBucket', 'PermanentRedirect', 'AuthorizationHeaderMalformed', 'InvalidBucketName']

interface SdkError {
  readonly name?: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

/** true when what was asked for is not there. */
export function isAbsent(error: unknown): boolean {
  return ['NoSuchKey', 'NotFound'].includes(nameOf(error))
}

/**
 * What the SDK threw as one of our errors: one line with the setting, the place and the reason, never credentials. What
 * another setting would cure names the setting as its `field`.
 */
export function s3Failure(error: unknown, what: string, shown: string, signal: AbortSignal): MillraceError {
  if (isMillraceError(error)) return error
  if (signal.aborted) return new MillraceError('ABORTED', `${what} was aborted`, { cause: error })
  const name = nameOf(error)
  const status = (error as SdkError).$metadata?.httpStatusCode
  const problem = name === 'AbortError' ? 'no answer in time' : name
  const reason = status === undefined ? problem : `${status} ${problem}`
  const say = (text: string) => `ARTIFACTS_URL (${shown}): ${what} ${text}`
  if (status === 507 || FULL.includes(name))
    return new MillraceError('DISK_FULL', say(`failed (${reason}): no space left; free some and repeat it`), {
      cause: error,
    })
  const setting = { cause: error, field: 'ARTIFACTS_URL' }
  if (name === 'CredentialsProviderError')
    return new MillraceError(
      'ARTIFACTS_UNAVAILABLE',
      say('found no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write them into the URL'),
      setting,
    )
  if (CREDENTIALS.includes(name) || status === 401 || status === 403)
    return new MillraceError(
      'ARTIFACTS_UNAVAILABLE',
      say(`is refused (${reason}): check the access key id, the secret and what they may do`),
      setting,
    )
  if (WRONG_PLACE.includes(name) || status === 301)
    return new MillraceError(
      'ARTIFACTS_UNAVAILABLE',
      say(`is refused (${reason}): check the bucket, the region and the endpoint`),
      setting,
    )
  return new MillraceError('ARTIFACTS_UNAVAILABLE', say(`failed (${reason}); it may be repeated`), { cause: error })
}

function nameOf(error: unknown): string {
  const { code, name } = error as SdkError
  return String(code ?? name ?? error)
}
