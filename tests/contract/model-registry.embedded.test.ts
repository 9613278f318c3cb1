import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModelRegistry } from '../../stores/model-registry/open.ts'
import { testModelRegistry } from './model-registry.ts'
import { temporaryFolder } from './temporary-folder.ts'

const signal = new AbortController().signal

testModelRegistry(
  async () => {
    const folder = await temporaryFolder()
    return {
      open: () => openModelRegistry(`file:${folder.path}/registry`),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    }
  },
  { name: 'file', durable: true },
)

test.for(['', '{"runId": "r", "sta', '[]', 'null', '{"runId": "r"}'])(
  'a run file that holds %j is CORRUPT_FILE and named, and stops no other run',
  async (text) => {
    await using folder = await temporaryFolder()
    await using registry = await openModelRegistry(`file:${folder.path}`)
    for (const runId of ['r', 's'])
      await registry.createRun({ runId, modelType: 'als', parameters: {} }, { now: 1, signal })
    const name = (await readdir(join(folder.path, 'runs'))).sort()[0] ?? ''
    const file = join(folder.path, 'runs', name)
    await writeFile(file, text)
    const corrupt = { code: 'CORRUPT_FILE', field: file }
    await expect(registry.getRun('r', { signal })).rejects.toMatchObject(corrupt)
    await expect(registry.updateRun('r', { progress: 1 }, { signal })).rejects.toMatchObject(corrupt)
    expect(await registry.getRun('s', { signal })).toMatchObject({ runId: 's' })
  },
)

test('damaged aliases are CORRUPT_FILE, never an empty history', async () => {
  await using folder = await temporaryFolder()
  await using registry = await openModelRegistry(`file:${folder.path}`)
  await writeFile(join(folder.path, 'aliases.json'), '{"champion":')
  await expect(registry.alias('champion', { signal })).rejects.toMatchObject({ code: 'CORRUPT_FILE' })
})

test('what a killed process left half written is removed at the next start', async () => {
  await using folder = await temporaryFolder()
  {
    await using registry = await openModelRegistry(`file:${folder.path}`)
    await registry.createRun({ runId: 'r', modelType: 'als', parameters: {} }, { now: 1, signal })
    for (const part of ['.', 'runs', 'versions']) await writeFile(join(folder.path, part, 'x.json.tmp'), '{')
  }
  await using registry = await openModelRegistry(`file:${folder.path}`)
  const names = await readdir(folder.path, { recursive: true })
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([])
  expect(await registry.listRuns({ limit: 10, signal })).toHaveLength(1)
})

test('a folder in use is FOLDER_LOCKED, an unknown scheme CONFIG_INVALID', async () => {
  await using folder = await temporaryFolder()
  await using _registry = await openModelRegistry(`file:${folder.path}`)
  await expect(openModelRegistry(`file:${folder.path}`)).rejects.toMatchObject({ code: 'FOLDER_LOCKED' })
  await expect(openModelRegistry('ftp://host')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})
