import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { invariant } from '../../../schemas/errors.ts'

/** S3 allows 10,000 parts: contents up to 78 GiB. */
const PART_BYTES = 8 * 1_048_576
const PARTS_AT_ONCE = 4
const STALL_MS = 15_000
const CLEAN_UP_MS = 10_000

export interface ObjectPlace {
  readonly Bucket: string
  readonly Key: string
}

export interface StoredObject {
  readonly content: Uint8Array<ArrayBuffer>
  readonly metadata: Readonly<Record<string, string>>
}

/** Writes the object as a whole: it appears with its last byte, in one request or in parts of 8 MiB, four at a time. */
export async function putObject(
  client: S3Client,
  place: ObjectPlace,
  content: Uint8Array,
  metadata: Record<string, string>,
  abortSignal: AbortSignal,
): Promise<void> {
  if (content.byteLength > PART_BYTES) return await putInParts(client, place, content, metadata, abortSignal)
  await client.send(new PutObjectCommand({ ...place, Body: content, Metadata: metadata }), { abortSignal })
}

async function putInParts(
  client: S3Client,
  place: ObjectPlace,
  content: Uint8Array,
  metadata: Record<string, string>,
  abortSignal: AbortSignal,
): Promise<void> {
  const upload = await client.send(new CreateMultipartUploadCommand({ ...place, Metadata: metadata }), { abortSignal })
  const { UploadId } = upload
  invariant(UploadId !== undefined, 'an upload in parts has an id')
  try {
    const Parts = await sendParts(client, { ...place, UploadId }, content, abortSignal)
    const complete = new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } })
    await client.send(complete, { abortSignal })
  } catch (error) {
    // Should this fail too, the parts stay until the bucket's own rule for unfinished uploads removes them.
    await client
      .send(new AbortMultipartUploadCommand({ ...place, UploadId }), { abortSignal: AbortSignal.timeout(CLEAN_UP_MS) })
      .catch(() => {})
    throw error
  }
}

/**
 * The first part that fails stops the others. Returns or throws only when none is on its way any more: S3 keeps a part that
 * arrives while its upload is being given up.
 */
async function sendParts(
  client: S3Client,
  upload: ObjectPlace & { readonly UploadId: string },
  content: Uint8Array,
  signal: AbortSignal,
): Promise<{ PartNumber: number; ETag: string | undefined }[]> {
  const count = Math.ceil(content.byteLength / PART_BYTES)
  const etags = new Array<string | undefined>(count)
  const failures: unknown[] = []
  const failed = new AbortController()
  const abortSignal = AbortSignal.any([signal, failed.signal])
  let next = 0
  const sender = async () => {
    try {
      while (next < count) {
        const index = next++
        const Body = content.subarray(index * PART_BYTES, (index + 1) * PART_BYTES)
        const part = new UploadPartCommand({ ...upload, PartNumber: index + 1, Body })
        etags[index] = (await client.send(part, { abortSignal })).ETag
      }
    } catch (error) {
      failures.push(error)
      failed.abort()
    }
  }
  await Promise.all(Array.from({ length: PARTS_AT_ONCE }, sender))
  if (failures.length > 0) throw failures[0]
  return etags.map((ETag, index) => ({ PartNumber: index + 1, ETag }))
}

/**
 * Content and metadata of the same moment, in a buffer of its own. Throws what the SDK throws, and when nothing comes for 15 s.
 * null when fewer or more bytes came than were announced.
 */
export async function getObject(
  client: S3Client,
  place: ObjectPlace,
  signal: AbortSignal,
): Promise<StoredObject | null> {
  const stalled = new AbortController()
  const timer = setTimeout(() => stalled.abort(), STALL_MS)
  const abortSignal = AbortSignal.any([signal, stalled.signal])
  try {
    const { Body, ContentLength, Metadata } = await client.send(new GetObjectCommand(place), { abortSignal })
    const content = new Uint8Array(new ArrayBuffer(ContentLength ?? 0))
    let received = 0
    for await (const chunk of Body as unknown as AsyncIterable<Uint8Array>) {
      timer.refresh()
      abortSignal.throwIfAborted()
      if (received + chunk.byteLength > content.byteLength) return null
      content.set(chunk, received)
      received += chunk.byteLength
    }
    return received === content.byteLength ? { content, metadata: Metadata ?? {} } : null
  } catch (error) {
    throw stalled.signal.aborted ? Object.assign(new Error('the transfer stalled'), { name: 'Stalled' }) : error
  } finally {
    clearTimeout(timer)
  }
}
