import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Accepted, call, type Status } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { millrace, startProcess, temporaryFolder } from '../support/process.ts'

const event = (index: number) => ({ userId: `u${index % 20}`, itemId: `i${index}`, type: 'view' })
const status = async (url: string) => (await call<Status>(url, 'GET', '/api/v1/monitoring/status')).body

test('SIGTERM: requests in flight are answered, batches commit, the exit code is 0 and a second start goes on', async () => {
  await using folder = await temporaryFolder('sigterm')
  const environment = { DATA_DIR: folder.path }
  let acknowledged = 0
  {
    await using first = await startProcess(environment)
    const posts = Array.from({ length: 40 }, async (_, batch) => {
      const events = Array.from({ length: 50 }, (_, index) => event(batch * 50 + index))
      const reply = await call<Accepted>(first.url, 'POST', '/api/v1/events', { events })
      acknowledged += reply.body.accepted
    })
    await eventually(
      () => acknowledged,
      (count) => count > 0,
    )
    const stoppedAt = Date.now()
    first.child.kill('SIGTERM')
    await Promise.allSettled(posts)
    const { code } = await first.finished()
    expect(code, first.output()).toBe(0)
    expect(Date.now() - stoppedAt).toBeLessThan(10_000)
  }
  await using second = await startProcess(environment)
  const caughtUp = await eventually(
    () => status(second.url),
    ({ log, eventStore, userState }) => eventStore.events === log.interactions && userState.events === log.interactions,
    30_000,
  )
  expect(caughtUp.log.interactions).toBeGreaterThanOrEqual(acknowledged)
}, 90_000)

test('a second process on the same data folder is refused in one clear line', async () => {
  await using folder = await temporaryFolder('second')
  await using first = await startProcess({ DATA_DIR: folder.path })
  await expect(startProcess({ DATA_DIR: folder.path })).rejects.toThrow(
    new RegExp(`in use by process ${first.child.pid}[^\\n]*FOLDER_LOCKED`),
  )
  expect((await call(first.url, 'GET', '/livez')).status).toBe(200)
})

test('wrong settings are all named before anything is opened', async () => {
  await using folder = await temporaryFolder('settings')
  const starting = startProcess({
    DATA_DIR: `${folder.path}/never`,
    PORT: 'high',
    PARTITIONS: '0',
    EVENT_WEIGHTS: 'view',
  })
  await expect(starting).rejects.toThrow(/PORT.*high[\s\S]*PARTITIONS/)
  expect(existsSync(`${folder.path}/never`)).toBe(false)
})

test('a port that is taken is named', async () => {
  await using folder = await temporaryFolder('port')
  await using first = await startProcess({ DATA_DIR: `${folder.path}/a` })
  const { port } = new URL(first.url)
  await expect(startProcess({ DATA_DIR: `${folder.path}/b`, PORT: port })).rejects.toThrow(
    new RegExp(`port ${port}`, 'i'),
  )
})

test('commands tell bad usage (2) and an edge that does not answer (3) apart', async () => {
  const nothing = { MILLRACE_URL: 'http://127.0.0.1:9' }
  expect(await millrace(['lag'], nothing)).toMatchObject({
    code: 3,
    output: expect.stringContaining('nothing answers at'),
  })
  expect(await millrace(['import', 'colours', 'x.csv'], nothing)).toMatchObject({ code: 2 })
  expect(await millrace(['--help'], nothing)).toMatchObject({ code: 0, output: expect.stringContaining('Exit codes') })
})

test('a service of its own on embedded backends is refused by the settings it needs', async () => {
  await using folder = await temporaryFolder('standalone')
  const { code, output } = await millrace(['updater'], { DATA_DIR: folder.path, LOG_URL: 'kafka://127.0.0.1:9' })
  expect(output).toMatch(/EVENT_STORE_URL, USER_STATE_URL, MODEL_REGISTRY_URL, ARTIFACTS_URL, SCHEMA_REGISTRY_URL/)
  expect(code).toBe(1)
})
