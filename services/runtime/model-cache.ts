import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { sha256 } from '../../stores/artifacts/checksum.ts'
import type { ModelVersion } from '../../stores/model-registry/port.ts'

/** What `write` leaves beside the content; of the version, as much as loading needs. */
const Described = Type.Object({
  version: Type.Object({
    version: Type.String(),
    runId: Type.String(),
    createdAt: Type.Number(),
    metrics: Type.Record(Type.String(), Type.Number()),
  }),
  file: Type.String({ pattern: '^model-[01]\\.bin$' }),
  checksum: Type.String(),
})

/** The champion as it was last loaded, kept on local disk for a start without registry or artifacts. */
export interface ModelCache {
  read(): Promise<{ version: ModelVersion; content: Uint8Array<ArrayBuffer> } | null>
  write(version: ModelVersion, content: Uint8Array): Promise<void>
}

/** Where a process keeps its model, below DATA_DIR. */
export function modelCacheFolder(dataFolder: string): string {
  return join(dataFolder, 'model-cache')
}

/** true where a process has a model to start with although registry or artifacts do not answer. */
export function hasKeptModel(dataFolder: string): boolean {
  return existsSync(describedIn(modelCacheFolder(dataFolder)))
}

/** `read` is null when nothing usable is there: absent, half-written or not matching its checksum. */
export function createModelCache(folder: string): ModelCache {
  const described = describedIn(folder)
  return {
    async read() {
      try {
        const parsed: unknown = JSON.parse(await readFile(described, 'utf8'))
        if (!Value.Check(Described, parsed)) return null
        const { version, file, checksum } = parsed
        const content = new Uint8Array(await readFile(join(folder, file)))
        return (await checksumOf(content)) === checksum
          ? { version: version as unknown as ModelVersion, content }
          : null
      } catch (error) {
        if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null
        throw error
      }
    },
    async write(version, content) {
      await mkdir(folder, { recursive: true })
      const file = `model-${Number(version.version) % 2}.bin`
      await replace(join(folder, file), content)
      await replace(described, JSON.stringify({ version, file, checksum: await checksumOf(content) }))
    },
  }
}

function describedIn(folder: string): string {
  return join(folder, 'champion.json')
}

function checksumOf(content: Uint8Array): Promise<string> {
  return sha256(content, new AbortController().signal)
}

async function replace(path: string, content: string | Uint8Array): Promise<void> {
  const draft = `${path}.draft`
  const handle = await open(draft, 'w')
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, path)
}
