import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openEmbeddedFolder } from '../../../schemas/embedded-folder.ts'
import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import { checkKey } from '../key.ts'
import type { ArtifactInfo, Artifacts } from '../port.ts'
import { readBlob, readBlobHeader, writeBlob } from './blob.ts'
import { pathOf, segmentOf } from './key.ts'

const VERSION = 1

/** Artifacts as files below one folder, each replaced by a rename; what a killed process left half written is removed. */
export async function openFileArtifacts(folder: string): Promise<Artifacts> {
  await using opening = new AsyncDisposableStack()
  const { path } = opening.use(await openEmbeddedFolder(folder, { kind: 'artifacts', version: VERSION }))
  const root = join(path, 'keys')
  const unfinished = join(path, 'tmp')
  await mapped('opening artifacts', null, async () => {
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished)
    await mkdir(root, { recursive: true })
  })
  const opened = opening.move()
  const fileOf = (key: string) => {
    checkKey(key)
    if (opened.disposed) throw new MillraceError('ARTIFACTS_UNAVAILABLE', `artifact ${key}: the store is closed`)
    return join(root, ...pathOf(key))
  }

  return {
    put: (key, content, { signal }) =>
      mapped(`writing artifact ${key}`, signal, async () => {
        const file = fileOf(key)
        const temporary = join(unfinished, randomUUID())
        try {
          await using handle = await open(temporary, 'wx')
          const header = await writeBlob(handle, content, signal)
          await makeFolders(root, dirname(file))
          await rename(temporary, file)
          await syncFolder(dirname(file))
          return { key, ...header }
        } catch (error) {
          await rm(temporary, { force: true })
          throw error
        }
      }),
    get: (key, { signal }) =>
      mapped(`reading artifact ${key}`, signal, async () => {
        const file = fileOf(key)
        const content = await orNull(readBlob(file, signal).then((found) => ({ found })))
        if (content?.found === null) throw corrupt(key, file)
        return content?.found ?? null
      }),
    list: (prefix, { signal }) =>
      mapped('listing artifacts', signal, async () => {
        if (opened.disposed) throw new MillraceError('ARTIFACTS_UNAVAILABLE', 'listing artifacts: the store is closed')
        const infos: ArtifactInfo[] = []
        for await (const key of keysBelow(root, '')) {
          signal.throwIfAborted()
          if (!key.startsWith(prefix)) continue
          const info = await infoOf(key, fileOf(key))
          if (info !== null) infos.push(info)
        }
        return infos.sort((left, right) => (left.key < right.key ? -1 : 1))
      }),
    remove: (key, { signal }) =>
      mapped(`removing artifact ${key}`, signal, async () => {
        const file = fileOf(key)
        const removed = await orNull(rm(file).then(() => true))
        if (removed) await syncFolder(dirname(file))
      }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

async function infoOf(key: string, file: string): Promise<ArtifactInfo | null> {
  const handle = await orNull(open(file, 'r'))
  if (handle === null) return null
  await using _closing = handle
  const header = await readBlobHeader(handle)
  if (header === null) throw corrupt(key, file)
  return { key, ...header }
}

async function* keysBelow(folder: string, prefix: string): AsyncIterable<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const segment = segmentOf(entry.name, entry.isDirectory())
    if (segment === null) continue
    if (entry.isDirectory()) yield* keysBelow(join(folder, entry.name), `${prefix}${segment}/`)
    else yield prefix + segment
  }
}

/** Makes the folders from `root` down, and each one's entry in its parent durable. */
async function makeFolders(root: string, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let parent = folder; parent !== root; parent = dirname(parent)) await syncFolder(dirname(parent))
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}

function corrupt(key: string, file: string): MillraceError {
  return new MillraceError(
    'CORRUPT_FILE',
    `artifact ${key} in ${file} is not what was written (checksum or length differ); write it again or restore it from a copy`,
    { field: key },
  )
}

async function mapped<T>(what: string, signal: AbortSignal | null, work: () => Promise<T>): Promise<T> {
  try {
    signal?.throwIfAborted()
    return await work()
  } catch (error) {
    if (isMillraceError(error)) throw error
    if (signal?.aborted) throw new MillraceError('ABORTED', `${what} was aborted`, { cause: error })
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new MillraceError('DISK_FULL', `${what}: no space left; free some and repeat it`, { cause: error })
    throw new MillraceError('ARTIFACTS_UNAVAILABLE', `${what} failed (${code ?? error}); it may be repeated`, {
      cause: error,
    })
  }
}
