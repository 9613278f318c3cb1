import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MillraceError } from '../../../schemas/errors.ts'
import type { RowProgress } from './read-ahead.ts'

/** How far an import has come: which rows were acknowledged or rejected, and how many. */
export interface Checkpoint extends RowProgress {
  readonly accepted: number
  readonly rejected: number
  readonly finished: boolean
}

export const START: Checkpoint = { nextRow: 0, doneRanges: [], accepted: 0, rejected: 0, finished: false }

export interface CheckpointFile {
  readonly path: string
  read(): Promise<Checkpoint>
  /** Resolves when it is on disk. */
  write(checkpoint: Checkpoint): Promise<void>
}

/** One file per log and input: the same file imported into another log starts from the beginning. */
export function checkpointFile(dataFolder: string, logId: string, fileHash: string): CheckpointFile {
  const path = join(dataFolder, 'imports', `${logId.replaceAll(/[^A-Za-z0-9_-]/g, '')}-${fileHash}.json`)
  let isFolderThere = false
  return {
    path,
    async read() {
      try {
        return { ...START, ...JSON.parse(await readFile(path, 'utf8')) }
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return START
        throw new MillraceError(
          'CORRUPT_FILE',
          `checkpoint ${path} cannot be read; remove it to import from the start`,
          { cause, field: path },
        )
      }
    },
    async write(checkpoint) {
      if (!isFolderThere) await mkdir(dirname(path), { recursive: true })
      isFolderThere = true
      const handle = await open(`${path}.draft`, 'w')
      try {
        await handle.writeFile(JSON.stringify(checkpoint))
        await handle.datasync()
      } finally {
        await handle.close()
      }
      await rename(`${path}.draft`, path)
    },
  }
}
