import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import { openArtifacts } from '../../stores/artifacts/open.ts'
import { testArtifacts } from '../contract/artifacts.ts'
import { makeBucket, type S3Bucket } from './s3-bucket.ts'
import { serviceUrl } from './service-url.ts'

let bucket: S3Bucket
beforeAll(async () => {
  bucket = await makeBucket(serviceUrl('s3'))
})
afterAll(() => bucket[Symbol.asyncDispose]())

testArtifacts(
  async () => {
    const url = bucket.url(`case/${randomUUID()}`)
    return { open: () => openArtifacts(url, { unreachable: 'refuse' }), [Symbol.asyncDispose]: async () => {} }
  },
  { name: 's3', durable: true },
)
