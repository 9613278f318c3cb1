import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MillraceError } from '../../../schemas/errors.ts'

/** How far an import has come: every row below `nextRow` was acknowledged or rejected. */
export interface Checkpoint {
  readonly nextRow: number
  readonly accepted: number
  readonly rejected: number
  readonly finished: boolean
}

export const START: Checkpoint = { nextRow: 0, accepted: 0, rejected: 0, finished: false }

export interface CheckpointFile {
  readonly path: string
  read(): Promise<Checkpoint>
  /** Resolves when it is on disk. */
  write(checkpoint: Checkpoint): Promise<void>
}

/** One file per log and input: the same file imported into another log starts from the beginning. */
export function checkpointFile(dataFolder: string, logId: string, fileHash: string): CheckpointFile {
  const path = join(dataFolder, 'imports', `${logId.replaceAll(/[^A-Za-z0-9_-]/g, '')}-${fileHash}.json`)
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
      await mkdir(dirname(path), { recursive: true })
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
