import { randomUUID } from 'node:crypto'
import { access, constants, link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from './errors.ts'

const TAKEOVER_ATTEMPTS_MAX = 5

/** A folder that one process owns until it is disposed. */
export interface EmbeddedFolder extends AsyncDisposable {
  readonly path: string
}

/**
 * Opens the folder of an embedded backend, creating it when absent, for this process alone.
 * The file FORMAT carries kind and version; the file LOCK carries the owner's pid and start time, so that a lock left by
 * a killed process is taken over. Dispose releases the lock and is idempotent.
 * @throws MillraceError FOLDER_NOT_WRITABLE, UNKNOWN_FORMAT (another kind or version), FOLDER_LOCKED (names the owner's pid).
 */
export async function openEmbeddedFolder(
  path: string,
  format: { readonly kind: string; readonly version: number },
): Promise<EmbeddedFolder> {
  await makeWritable(path)
  const lockFile = join(path, 'LOCK')
  const token = await takeLock(path, lockFile)
  try {
    await checkFormat(path, `${format.kind} ${format.version}`)
  } catch (error) {
    await rm(lockFile, { force: true })
    throw error
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      if ((await readText(lockFile)) === token) await rm(lockFile, { force: true })
    },
  }
}

async function makeWritable(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
    await access(path, constants.W_OK | constants.R_OK)
  } catch (cause) {
    throw new MillraceError(
      'FOLDER_NOT_WRITABLE',
      `folder ${path} cannot be written; choose another DATA_DIR or change its permissions`,
      {
        cause,
        field: path,
      },
    )
  }
}

async function checkFormat(path: string, wanted: string): Promise<void> {
  const file = join(path, 'FORMAT')
  const found = await readText(file)
  if (found === null) {
    await writeDurably(file, wanted)
  } else if (found !== wanted) {
    throw new MillraceError(
      'UNKNOWN_FORMAT',
      `${file} says "${found}" but this version of Millrace reads "${wanted}"; nothing was changed`,
      { field: file },
    )
  }
}

async function takeLock(path: string, lockFile: string): Promise<string> {
  const token = `${process.pid} ${await startTimeOf(process.pid)} ${randomUUID()}`
  for (let attempt = 0; attempt < TAKEOVER_ATTEMPTS_MAX; attempt++) {
    if (await createLock(path, lockFile, token)) return token
    const held = await readText(lockFile)
    if (held === null) continue
    if (await isAlive(held)) {
      throw new MillraceError(
        'FOLDER_LOCKED',
        `folder ${path} is in use by process ${held.split(' ')[0]}; stop it or choose another DATA_DIR`,
        { field: path },
      )
    }
    await removeStale(lockFile, held)
  }
  throw new MillraceError('FOLDER_LOCKED', `folder ${path} is being taken by another process right now; try again`, {
    field: path,
  })
}

/** Linking a written file into place: nobody ever reads a lock that names no owner yet. */
async function createLock(path: string, lockFile: string, token: string): Promise<boolean> {
  const draft = `${lockFile}.${randomUUID()}`
  try {
    await writeFile(draft, token)
    await link(draft, lockFile)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw unwritable(path, cause)
  } finally {
    await rm(draft, { force: true })
  }
}

function unwritable(path: string, cause: unknown): MillraceError {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'ENOSPC')
    return new MillraceError('DISK_FULL', `no space left for ${path}; free some and start again`, {
      cause,
      field: path,
    })
  return new MillraceError('FOLDER_NOT_WRITABLE', `folder ${path} cannot be written (${code})`, { cause, field: path })
}

/** Renames before removing, so that of two processes that saw the same stale lock only one removes it. */
async function removeStale(lockFile: string, held: string | null): Promise<void> {
  const aside = `${lockFile}.${randomUUID()}`
  try {
    await rename(lockFile, aside)
  } catch {
    return
  }
  if ((await readText(aside)) === held) await rm(aside, { force: true })
  else await rename(aside, lockFile)
}

async function isAlive(held: string): Promise<boolean> {
  const [pidText = '', startTime = ''] = held.split(' ')
  const pid = Number(pidText)
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = await startTimeOf(pid)
  return now === 'unknown' || startTime === 'unknown' || now === startTime
}

/** The kernel's start time of a process, so that a recycled pid is not taken for the owner; "unknown" off Linux. */
async function startTimeOf(pid: number): Promise<string> {
  const stat = await readText(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown'
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH')
      return null
    throw error
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
