import { randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { invariant, MillraceError } from '../../../schemas/errors.ts'

/** Names of files being written end in this. */
const UNFINISHED = '.tmp'

/** Removes what a killed process left half written. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith(UNFINISHED)) await rm(join(folder, name), { force: true })
  }
}

/** Replaces the file durably and atomically: temporary file, fsync, rename, fsync of the folder. */
export async function writeJson(file: string, value: unknown): Promise<void> {
  const text = `${JSON.stringify(value, refuseNonFinite, 2)}\n`
  const temporary = join(dirname(file), `${randomUUID()}-${basename(file).slice(0, 100)}${UNFINISHED}`)
  try {
    {
      await using handle = await open(temporary, 'wx')
      await handle.writeFile(text)
      await handle.sync()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await using folder = await open(dirname(file), 'r')
  await folder.sync()
}

/** null when there is no such file. @throws MillraceError CORRUPT_FILE for what is not JSON or lacks `fields`. */
export async function readJson<T extends object>(
  file: string,
  fields: readonly (keyof T & string)[],
): Promise<T | null> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    const value: unknown = JSON.parse(text)
    const missing = fields.filter((field) => !Object.hasOwn(Object(value), field))
    if (missing.length > 0) throw new Error(`it lacks ${missing.join(', ')}`)
    return value as T
  } catch (cause) {
    throw new MillraceError(
      'CORRUPT_FILE',
      `${file} is damaged: ${(cause as Error).message.slice(0, 200)}; restore it from a copy or move it aside`,
      { cause, field: file },
    )
  }
}

/** JSON would turn NaN and infinities into null without a word. */
function refuseNonFinite(key: string, value: unknown): unknown {
  invariant(typeof value !== 'number' || Number.isFinite(value), `${key} is ${value}, which JSON cannot hold`)
  return value
}
