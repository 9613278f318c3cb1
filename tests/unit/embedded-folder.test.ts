import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openEmbeddedFolder } from '../../schemas/embedded-folder.ts'

const format = { kind: 'test-store', version: 1 }
let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-folder-'))
})
afterEach(async () => {
  await chmod(folder, 0o700)
  await rm(folder, { recursive: true, force: true })
})

test('a second opener is refused with the pid of the first, and let in once the first has closed', async () => {
  const first = await openEmbeddedFolder(folder, format)
  await expect(openEmbeddedFolder(folder, format)).rejects.toMatchObject({
    code: 'FOLDER_LOCKED',
    message: expect.stringContaining(String(process.pid)),
  })
  await first[Symbol.asyncDispose]()
  await using again = await openEmbeddedFolder(folder, format)
  expect(again.path).toBe(folder)
})

test('of many openers at once exactly one wins and no draft is left behind', async () => {
  const results = await Promise.allSettled(Array.from({ length: 12 }, () => openEmbeddedFolder(folder, format)))
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
  expect((await readdir(folder)).sort()).toEqual(['FORMAT', 'LOCK'])
})

test('a lock left by a killed process is taken over', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  await writeFile(join(folder, 'LOCK'), `${pid} 1 gone`)
  await using taken = await openEmbeddedFolder(folder, format)
  expect(taken.path).toBe(folder)
})

test('a recycled pid is told from the owner by its start time', async () => {
  await writeFile(join(folder, 'LOCK'), `${process.pid} 1 an-earlier-process`)
  const taking = openEmbeddedFolder(folder, format)
  if (process.platform === 'linux') await (await taking)[Symbol.asyncDispose]()
  else await expect(taking).rejects.toMatchObject({ code: 'FOLDER_LOCKED' })
})

test('another format or version is refused by name and left untouched', async () => {
  await writeFile(join(folder, 'FORMAT'), 'test-store 9')
  await expect(openEmbeddedFolder(folder, format)).rejects.toMatchObject({
    code: 'UNKNOWN_FORMAT',
    message: expect.stringContaining('test-store 9'),
  })
  expect(await readdir(folder)).toEqual(['FORMAT'])
})

test('a path that cannot be a folder is named in the error', async () => {
  const file = join(folder, 'a-file')
  await writeFile(file, '')
  await expect(openEmbeddedFolder(join(file, 'below'), format)).rejects.toMatchObject({
    code: 'FOLDER_NOT_WRITABLE',
    field: join(file, 'below'),
  })
})
