import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openArtifacts } from '../../stores/artifacts/open.ts'
import { run, temporaryFolder } from '../support/process.ts'
import { openGate } from './http-gate.ts'
import { startPrivateServices } from './private-services.ts'
import { makeBucket, type S3Bucket } from './s3-bucket.ts'
import { serviceUrl } from './service-url.ts'

const signal = new AbortController().signal

let bucket: S3Bucket
beforeAll(async () => {
  bucket = await makeBucket(serviceUrl('s3'))
})
afterAll(() => bucket[Symbol.asyncDispose]())

test('content of many parts comes back whole, and replaces and is replaced', async () => {
  await using artifacts = await openArtifacts(bucket.url('parts'))
  const content = bytes(41_000_001)
  const info = await artifacts.put('models/big', content, { signal })
  expect(info.bytes).toBe(41_000_001)
  const read = await artifacts.get('models/big', { signal })
  expect(read !== null && Buffer.compare(read, content)).toBe(0)
  expect(await artifacts.list('models/', { signal })).toEqual([info])
  await artifacts.put('models/big', bytes(5), { signal })
  expect(await artifacts.get('models/big', { signal })).toEqual(bytes(5))
})

test('an upload in parts that is aborted leaves the old content and no parts behind', async () => {
  await using artifacts = await openArtifacts(bucket.url('aborted'))
  await artifacts.put('model', bytes(3), { signal })
  const giveUp = new AbortController()
  const putting = artifacts.put('model', bytes(60_000_000), { signal: giveUp.signal })
  const uploads = async () => {
    const { Uploads = [] } = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))
    return Uploads.length
  }
  putting.catch(() => {})
  await expect.poll(uploads, { timeout: 10_000, interval: 5 }).toBe(1)
  giveUp.abort()
  await expect(putting).rejects.toMatchObject({ code: 'ABORTED' })
  expect(await uploads()).toBe(0)
  expect(await artifacts.get('model', { signal })).toEqual(bytes(3))
})

test('an object that was altered, cut, emptied or put there by others is CORRUPT_FILE, naming the key', async () => {
  await using artifacts = await openArtifacts(bucket.url('corrupt'))
  const content = bytes(1_000)
  await artifacts.put('models/7', content, { signal })
  const listed = await bucket.client.send(new ListObjectsV2Command({ Bucket: bucket.name, Prefix: 'corrupt/' }))
  const object = { Bucket: bucket.name, Key: listed.Contents?.[0]?.Key }
  const { Metadata } = await bucket.client.send(new GetObjectCommand(object))
  const altered = content.map((byte, index) => (index === 500 ? byte ^ 1 : byte))
  const damages = [
    { Body: altered, Metadata },
    { Body: content.subarray(0, 600), Metadata },
    { Body: new Uint8Array(0), Metadata },
    { Body: content },
  ]
  for (const damage of damages) {
    await bucket.client.send(new PutObjectCommand({ ...object, ...damage }))
    const corrupt = { code: 'CORRUPT_FILE', field: 'models/7' }
    await expect(artifacts.get('models/7', { signal })).rejects.toMatchObject(corrupt)
  }
  await expect(artifacts.list('models/', { signal })).rejects.toMatchObject({ code: 'CORRUPT_FILE', field: 'models/7' })
  await artifacts.put('models/7', content, { signal })
  expect(await artifacts.get('models/7', { signal })).toEqual(content)
})

test('wrong credentials and a missing bucket are one line at opening that names the setting and no secret', async () => {
  const right = bucket.url('p')
  const wrong = [
    right.replace(/:[^:@/]+@/, ':wrong-secret@'),
    right.replace(/\/\/[^:]+:[^@]+@/, '//nobody:wrong-secret@'),
    right.replace(bucket.name, 'test-no-such-bucket'),
  ]
  for (const url of wrong) {
    const refused = await openArtifacts(url).catch((error: Error) => error)
    expect(refused).toMatchObject({ code: 'CONFIG_INVALID', field: 'ARTIFACTS_URL' })
    expect((refused as Error).message).toMatch(/^ARTIFACTS_URL \(s3:\/\/[^@]+\): [^\n]+check the [^\n]+$/)
    expect((refused as Error).message).not.toMatch(/wrong-secret|nobody/)
  }
})

test('a process without any credentials says which variables to set', async () => {
  await using folder = await temporaryFolder('no-credentials')
  const url = bucket.url('p').replace(/\/\/.*@/, '//')
  const program = `import { openArtifacts } from './stores/artifacts/open.ts'
    await openArtifacts(${JSON.stringify(url)}).catch((error) => console.log(error.code, error.message))`
  const environment = { HOME: folder.path, AWS_EC2_METADATA_DISABLED: 'true' }
  const { output } = await run([process.execPath, '--input-type=module', '-e', program], environment)
  expect(output).toMatch(
    /^CONFIG_INVALID ARTIFACTS_URL [^\n]* set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY[^\n]*\n$/,
  )
})

test.for([
  's3://',
  's3://B_/x',
  's3://key:hush@bucket/a//b',
  's3://bucket/x?endpoint=nowhere',
  's3://bucket/x?endpiont=http://host',
  's3://bucket/x?endpoint=http://key:hush@host',
  's3://bucket/x?endpoint=http://host&pathStyle=yes',
  's3://key@bucket/x',
  's3://key:hush%@bucket/x',
])('%s is CONFIG_INVALID', async (url) => {
  const refused = await openArtifacts(url).catch((error: Error) => error)
  expect(refused).toMatchObject({ code: 'CONFIG_INVALID', field: 'ARTIFACTS_URL' })
  expect((refused as Error).message).not.toContain('hush')
})

test('a silent server delays opening for seconds only, and a caller can give it up', async () => {
  await using s3 = await openGate(new URL(serviceUrl('s3')).origin)
  const url = bucket.url('silent').replace(/endpoint=.*$/, `endpoint=${s3.url}`)
  await using artifacts = await openArtifacts(url)
  s3.decide(() => 'hang')
  const reading = artifacts.get('a', { signal: AbortSignal.timeout(100) })
  await expect(reading).rejects.toMatchObject({ code: 'ABORTED' })
  const from = performance.now()
  const refused = { code: 'ARTIFACTS_UNAVAILABLE', message: expect.stringContaining('no answer in time') }
  await expect(openArtifacts(url, { unreachable: 'refuse' })).rejects.toMatchObject(refused)
  expect(performance.now() - from).toBeLessThan(10_000)
  s3.decide(() => 'pass')
  expect(await artifacts.get('a', { signal })).toBeNull()
})

test('a server that stops is ARTIFACTS_UNAVAILABLE, and when it is back everything goes on by itself', async () => {
  await using services = await startPrivateServices(['s3'])
  const place = await makeBucket(services.url('s3'))
  const url = place.url('models')
  await using artifacts = await openArtifacts(url)
  await artifacts.put('a', bytes(100), { signal })
  await services.stop('s3')
  const unavailable = await artifacts.get('a', { signal }).catch((error: Error) => error)
  expect(unavailable).toMatchObject({ code: 'ARTIFACTS_UNAVAILABLE' })
  expect((unavailable as Error).message).toContain(`ARTIFACTS_URL (s3://${place.name}/models/ at http://127.0.0.1:`)
  for (const call of [
    () => artifacts.put('b', bytes(20_000_000), { signal }),
    () => artifacts.list('', { signal }),
    () => artifacts.remove('a', { signal }),
    () => openArtifacts(url, { unreachable: 'refuse' }),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'ARTIFACTS_UNAVAILABLE' })
  await using late = await openArtifacts(url)
  await services.start('s3')
  expect(await artifacts.get('a', { signal })).toEqual(bytes(100))
  expect(await late.get('a', { signal })).toEqual(bytes(100))
})

function bytes(length: number): Uint8Array {
  const content = new Uint8Array(length)
  for (let index = 0; index < length; index++) content[index] = (index * 31 + (index >> 8)) % 251
  return content
}
