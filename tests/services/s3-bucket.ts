import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'

const REMOVE_ATTEMPTS_MAX = 5
const REMOVE_PAUSE_MS = 200

export interface S3Bucket extends AsyncDisposable {
  readonly name: string
  readonly client: S3Client
  /** An ARTIFACTS_URL below the bucket. */
  url(prefix: string): string
}

/** A bucket of the case's own, removed with what is in it. `endpoint` is a URL with its credentials. */
export async function makeBucket(endpoint: string): Promise<S3Bucket> {
  const { username, password, origin } = new URL(endpoint)
  const credentials = { accessKeyId: decodeURIComponent(username), secretAccessKey: decodeURIComponent(password) }
  const client = new S3Client({ endpoint: origin, region: 'us-east-1', forcePathStyle: true, credentials })
  const name = `test-${randomUUID()}`
  await client.send(new CreateBucketCommand({ Bucket: name }))
  return {
    ...{ name, client },
    url: (prefix) => `s3://${username}:${password}@${name}/${prefix}?endpoint=${origin}`,
    async [Symbol.asyncDispose]() {
      for (let attempt = 1; attempt <= REMOVE_ATTEMPTS_MAX; attempt++) {
        await empty(client, name)
        try {
          await client.send(new DeleteBucketCommand({ Bucket: name }))
          break
        } catch (error) {
          // A part that the server was still writing when its upload was aborted may stay with S3Proxy as a file that no
          // listing shows and no request removes; the bucket then goes with the server that the run started.
          if ((error as Error).name !== 'BucketNotEmpty') throw error
          await pause(REMOVE_PAUSE_MS)
        }
      }
      client.destroy()
    },
  }
}

async function empty(client: S3Client, bucket: string): Promise<void> {
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
    if (Contents.length === 0) break
    for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
  }
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  for (const { Key, UploadId } of Uploads) {
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
  }
}
