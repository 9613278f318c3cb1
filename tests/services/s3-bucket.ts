import { randomUUID } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'

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
      for (;;) {
        const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }))
        if (Contents.length === 0) break
        for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket: name, Key }))
      }
      await client.send(new DeleteBucketCommand({ Bucket: name }))
      client.destroy()
    },
  }
}
