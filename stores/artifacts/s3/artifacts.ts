import { DeleteObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import { sha256 } from '../checksum.ts'
import { checkKey } from '../key.ts'
import type { ArtifactInfo, Artifacts } from '../port.ts'
import { isAbsent, s3Failure } from './failure.ts'
import { readLocation, type S3Location } from './location.ts'
import { getObject, type ObjectPlace, putObject } from './transfer.ts'

const CONNECT_TIMEOUT_MS = 3_000
/** So long does a process that could serve from its local cache wait for a silent store. */
const OPENING_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 30_000
const ATTEMPTS_MAX = 3
const READS_MAX = 3
const HEADS_AT_ONCE = 8
const CHECKSUM = 'sha256'
/** Ends every object's name, and no key has it: so `m` and `m/1` can both be keys where the store keeps objects as files. */
const END = '!'

/**
 * Artifacts as objects of a bucket, each with its SHA-256 as metadata, which every read is checked against. Requests are
 * repeated up to three times by the SDK. A store that cannot be reached is no error here (a process starts from its local
 * model cache then) but of each call; with `unreachable: 'refuse'` it is. Wrong credentials and a missing bucket are
 * CONFIG_INVALID at once.
 */
export async function openS3Artifacts(
  url: string,
  options: { readonly unreachable: 'wait' | 'refuse' },
): Promise<Artifacts> {
  const location = readLocation(url)
  const client = createClient(location)
  const closing = new AbortController()

  const using = async <T>(
    what: string,
    caller: AbortSignal | null,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const closed = () => new MillraceError('ARTIFACTS_UNAVAILABLE', `${what}: the store is closed`)
    if (closing.signal.aborted) throw closed()
    const signal = caller === null ? closing.signal : AbortSignal.any([caller, closing.signal])
    try {
      signal.throwIfAborted()
      return await work(signal)
    } catch (error) {
      if (closing.signal.aborted && !caller?.aborted && !isMillraceError(error)) throw closed()
      throw s3Failure(error, what, location.shown, signal)
    }
  }

  try {
    await using('looking into the bucket', null, async (signal) => {
      const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(OPENING_TIMEOUT_MS)])
      const one = { Bucket: location.bucket, Prefix: location.prefix, MaxKeys: 1 }
      await client.send(new ListObjectsV2Command(one), { abortSignal })
    })
  } catch (error) {
    const misconfigured = isMillraceError(error, 'ARTIFACTS_UNAVAILABLE') && error.field !== null
    if (options.unreachable === 'refuse' || misconfigured || !isMillraceError(error, 'ARTIFACTS_UNAVAILABLE')) {
      client.destroy()
      throw misconfigured
        ? new MillraceError('CONFIG_INVALID', error.message, { cause: error, field: 'ARTIFACTS_URL' })
        : error
    }
  }

  return {
    put: (key, content, { signal: caller }) =>
      using(`writing artifact ${key}`, caller, async (signal) => {
        const place = placeOf(location, key)
        const checksum = await sha256(content, signal)
        await putObject(client, place, content, { [CHECKSUM]: checksum }, signal)
        return { key, bytes: content.byteLength, checksum }
      }),
    get: (key, { signal: caller }) =>
      using(`reading artifact ${key}`, caller, async (signal) => {
        const place = placeOf(location, key)
        // Some stores replace content and metadata one after the other: only what differs time after time is damaged.
        for (let attempt = 1; ; attempt++) {
          const found = await orNull(getObject(client, place, signal).then((object) => ({ object })))
          if (found === null) return null
          const { object } = found
          if (object !== null && (await sha256(object.content, signal)) === object.metadata[CHECKSUM])
            return object.content
          if (attempt === READS_MAX) throw corrupt(key, location)
        }
      }),
    list: (prefix, { signal: caller }) =>
      using('listing artifacts', caller, (signal) => listArtifacts(client, location, prefix, signal)),
    remove: (key, { signal: caller }) =>
      using(`removing artifact ${key}`, caller, async (abortSignal) => {
        const place = placeOf(location, key)
        await orNull(client.send(new DeleteObjectCommand(place), { abortSignal }))
      }),
    async [Symbol.asyncDispose]() {
      closing.abort()
      client.destroy()
    },
  }
}

function createClient({ endpoint, region, pathStyle, credentials }: S3Location): S3Client {
  return new S3Client({
    ...{ region, forcePathStyle: pathStyle, maxAttempts: ATTEMPTS_MAX },
    ...(endpoint === null ? {} : { endpoint }),
    ...(credentials === null ? {} : { credentials }),
    // Content is signed and its SHA-256 kept by us; checksums of the SDK's own are unknown to many compatible stores.
    ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
    requestHandler: {
      ...{ connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, throwOnRequestTimeout: true },
    },
  })
}

function placeOf({ bucket, prefix }: S3Location, key: string): ObjectPlace {
  checkKey(key)
  return { Bucket: bucket, Key: `${prefix}${key}${END}` }
}

async function listArtifacts(
  client: S3Client,
  location: S3Location,
  prefix: string,
  abortSignal: AbortSignal,
): Promise<readonly ArtifactInfo[]> {
  const keys: string[] = []
  for (let ContinuationToken: string | undefined; ; ) {
    const page = { Bucket: location.bucket, Prefix: location.prefix + prefix, ContinuationToken }
    const found = await client.send(new ListObjectsV2Command(page), { abortSignal })
    for (const { Key = '' } of found.Contents ?? []) {
      const key = Key.slice(location.prefix.length, -END.length)
      if (Key.endsWith(END) && key.startsWith(prefix)) keys.push(key)
    }
    ContinuationToken = found.NextContinuationToken
    if (ContinuationToken === undefined) break
  }
  keys.sort((left, right) => (left < right ? -1 : 1))
  const infos = new Array<ArtifactInfo | null>(keys.length)
  let next = 0
  const reader = async () => {
    while (next < keys.length) {
      const index = next++
      infos[index] = await infoOf(client, location, keys[index] as string, abortSignal)
    }
  }
  await Promise.all(Array.from({ length: HEADS_AT_ONCE }, reader))
  return infos.filter((info) => info !== null)
}

/** null when it was removed meanwhile. */
async function infoOf(
  client: S3Client,
  location: S3Location,
  key: string,
  abortSignal: AbortSignal,
): Promise<ArtifactInfo | null> {
  const head = await orNull(client.send(new HeadObjectCommand(placeOf(location, key)), { abortSignal }))
  if (head === null) return null
  const checksum = head.Metadata?.[CHECKSUM]
  if (checksum === undefined) throw corrupt(key, location)
  return { key, bytes: head.ContentLength ?? 0, checksum }
}

async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

function corrupt(key: string, location: S3Location): MillraceError {
  return new MillraceError(
    'CORRUPT_FILE',
    `artifact ${key} in ${location.shown} is not what was written (checksum or length differ); write it again or restore it from a copy`,
    { field: key },
  )
}
