import { open, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openArtifacts } from '../../stores/artifacts/open.ts'
import { testArtifacts } from './artifacts.ts'
import { temporaryFolder } from './temporary-folder.ts'

const signal = new AbortController().signal

testArtifacts(
  async () => {
    const folder = await temporaryFolder()
    return {
      open: () => openArtifacts(`file:${folder.path}/artifacts`),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    }
  },
  { name: 'files', durable: true },
)

test('one flipped bit, a cut tail and foreign content are each CORRUPT_FILE, naming the key', async () => {
  await using folder = await temporaryFolder()
  await using artifacts = await openArtifacts(`file:${folder.path}`)
  const file = join(folder.path, 'keys', 'd-models', 'f-7')
  const damages = [
    async () => {
      await using handle = await open(file, 'r+')
      await handle.write(Uint8Array.of(0xff), 0, 1, 64 + 500)
    },
    () => truncate(file, 600),
    () => writeFile(file, 'something else'),
    () => writeFile(file, ''),
  ]
  for (const damage of damages) {
    await artifacts.put('models/7', new Uint8Array(1_000), { signal })
    await damage()
    await expect(artifacts.get('models/7', { signal })).rejects.toMatchObject({
      code: 'CORRUPT_FILE',
      field: 'models/7',
    })
  }
})

test('what a killed process left half written is removed at the next start and never listed', async () => {
  await using folder = await temporaryFolder()
  {
    await using _artifacts = await openArtifacts(`file:${folder.path}`)
    await writeFile(join(folder.path, 'tmp', 'half'), 'half')
  }
  await using artifacts = await openArtifacts(`file:${folder.path}`)
  expect(await readdir(join(folder.path, 'tmp'))).toEqual([])
  expect(await artifacts.list('', { signal })).toEqual([])
})

test('a folder in use is FOLDER_LOCKED, an unknown scheme CONFIG_INVALID', async () => {
  await using folder = await temporaryFolder()
  await using _artifacts = await openArtifacts(`file:${folder.path}`)
  await expect(openArtifacts(`file:${folder.path}`)).rejects.toMatchObject({ code: 'FOLDER_LOCKED' })
  await expect(openArtifacts('ftp://host')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})
