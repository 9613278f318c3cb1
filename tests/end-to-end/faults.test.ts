import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Accepted, call, type Recommendations, type Reply, type Status } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { startProcess, temporaryFolder } from '../support/process.ts'
import { onSmallDisk } from '../support/small-disk.ts'
import { postCamps, trainOnCamps } from '../support/trained.ts'

const isLinux = process.platform === 'linux'
const batch = (from: number, count: number) => ({
  events: Array.from({ length: count }, (_, index) => ({
    eventId: `e${from + index}`,
    userId: `u${(from + index) % 50}`,
    itemId: `i${(from + index) % 400}`,
    type: 'view',
    context: { note: 'x'.repeat(200) },
  })),
})
const status = async (url: string) => (await call<Status>(url, 'GET', '/api/v1/monitoring/status')).body

test.runIf(isLinux)(
  'a full disk: writes are refused by name, reads go on, acknowledged events stay, freed space heals',
  async () => {
    await using folder = await temporaryFolder('full')
    await using millrace = await startProcess(
      { DATA_DIR: join(folder.path, 'data') },
      { prefix: onSmallDisk(folder.path, '96m') },
    )
    const inside = join(`/proc/${millrace.child.pid}/root`, folder.path)
    const first = await call<Accepted>(millrace.url, 'POST', '/api/v1/events', batch(0, 500))
    expect(first.status).toBe(202)
    await eventually(
      () => status(millrace.url),
      ({ eventStore, userState }) => Math.min(eventStore.events, userState.events) === 500,
    )

    await fillDisk(join(inside, 'filler'))
    let [acknowledged, refusal] = [500, null as Reply | null]
    for (let from = 500; !refusal && from < 60_000; from += 500) {
      const reply = await call<Accepted>(millrace.url, 'POST', '/api/v1/events', batch(from, 500))
      if (reply.status === 202) acknowledged += 500
      else refusal = reply as unknown as Reply
    }
    expect(refusal).toMatchObject({ status: 507, body: { code: 'DISK_FULL', status: 507 } })
    expect(String(refusal?.body.detail)).toMatch(/log/)
    expect((await call(millrace.url, 'GET', '/livez')).status).toBe(200)
    expect((await call<Recommendations>(millrace.url, 'GET', '/api/v1/recommendations/user/u1')).status).toBe(200)

    await rm(join(inside, 'filler'))
    const retried = await eventually(
      () => call<Accepted>(millrace.url, 'POST', '/api/v1/events', batch(acknowledged, 500)),
      (reply) => reply.status === 202,
    )
    expect(retried.body.accepted).toBe(500)
    const healed = await eventually(
      () => status(millrace.url),
      ({ log, eventStore, userState }) =>
        eventStore.events === userState.events &&
        log.interactions >= eventStore.events &&
        eventStore.events === acknowledged + 500,
      30_000,
    )
    expect(healed.deadLetters).toBe(0)
  },
  90_000,
)

test.runIf(isLinux)('a read-only data folder is refused at the start in one line that names it', async () => {
  await using folder = await temporaryFolder('read-only')
  const starting = startProcess(
    { DATA_DIR: join(folder.path, 'data') },
    { prefix: onSmallDisk(folder.path, '8m', 'ro') },
  )
  await expect(starting).rejects.toThrow(/data[^\n]*cannot be written[^\n]*FOLDER_NOT_WRITABLE/)
})

test('a corrupt artifact is named, never served, and the model of the local cache goes on', async () => {
  await using folder = await temporaryFolder('corrupt')
  const environment = { DATA_DIR: join(folder.path, 'data'), TRAIN_TRIALS: '1' }
  {
    await using millrace = await startProcess(environment)
    await postCamps(millrace.url)
    await trainOnCamps(millrace.url, { factors: 8 })
    millrace.child.kill('SIGTERM')
    await millrace.finished()
  }
  const [artifact] = (await files(join(environment.DATA_DIR, 'artifacts'))).filter((file) => file.includes('model.bin'))
  expect(artifact).toBeDefined()
  const content = await readFile(artifact as string)
  content.writeUInt8(content.readUInt8(content.length - 100) ^ 0xff, content.length - 100)
  await writeFile(artifact as string, content)
  await using again = await startProcess(environment)
  const { model } = await eventually(
    () => status(again.url),
    (reply) => reply.model !== null,
  )
  expect(model?.version).toBe('1')
  expect(again.output()).toMatch(/model\.bin/)
  const reply = await call<Recommendations>(again.url, 'GET', '/api/v1/recommendations/user/trainer-1')
  expect(reply.body).toMatchObject({ modelVersion: '1' })

  await rm(join(environment.DATA_DIR, 'model-cache'), { recursive: true })
  again.child.kill('SIGTERM')
  await again.finished()
  await using without = await startProcess(environment)
  const answered = await call<Recommendations>(without.url, 'GET', '/api/v1/recommendations/user/trainer-1')
  expect(answered.body.modelVersion).toBeNull()
  expect(answered.body.skipped.personal).toBe('no_model')
  expect(answered.body.items.length).toBeGreaterThan(0)
}, 90_000)

async function fillDisk(path: string): Promise<void> {
  const chunk = Buffer.alloc(1 << 20)
  for (const size of [1 << 20, 1 << 12]) {
    try {
      for (let written = 0; written < 256; written++) await writeFile(path, chunk.subarray(0, size), { flag: 'a' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
  expect(existsSync(path)).toBe(true)
}

async function files(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).map((name) => join(folder, name))
}
