import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { MillraceError } from '../../../schemas/errors.ts'
import { createTables, type Table } from '../../../schemas/lmdb-tables.ts'

/** The LMDB environment of an embedded user state. */
export interface Environment {
  readonly file: string
  /** User id -> encoded record. */
  readonly users: Table<Buffer, string>
  /** `totals`, `recipe`, `applied` -> plain values. */
  readonly meta: Table<unknown, string>
  /** Runs `stage`, whose writes become one transaction, or none when it throws; resolves when readers see it. */
  commit(stage: () => void): Promise<void>
  close(): Promise<void>
}

/**
 * Commits are visible and safe from kill -9 once they are written to the mapped file; `overlappingSync` leaves the flush
 * to the disk to LMDB's own thread, in commit order. After a power loss LMDB falls back to the last flushed transaction as
 * a whole, users and `applied` together as they share this environment, and the updater reads the rest from the log again.
 * So a swap need not wait for the disk.
 * @throws MillraceError CORRUPT_FILE, DISK_FULL, FOLDER_NOT_WRITABLE naming the file.
 */
export function openEnvironment(folder: string): Environment {
  const file = join(folder, 'users.mdb')
  let root: RootDatabase<Buffer, string>
  try {
    root = open<Buffer, string>(file, { overlappingSync: true, maxDbs: 4, encoding: 'binary' })
    const tables = createTables(root)
    return {
      file,
      users: tables.table(root.openDB('users', { encoding: 'binary' })),
      meta: tables.table(root.openDB('meta', { encoding: 'json' })),
      async commit(stage) {
        try {
          await tables.commit(stage)
        } catch (cause) {
          throw environmentError(file, cause)
        }
      },
      close: () => root.close(),
    }
  } catch (cause) {
    throw environmentError(file, cause)
  }
}

/** LMDB's and the system's failures in Millrace's words. */
export function environmentError(file: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause
  const inner = (cause as { commitError?: unknown }).commitError ?? cause
  const text = String((inner as Error).message ?? inner)
  const options = { cause, field: file }
  if (/MDB_MAP_FULL|ENOSPC|No space left|EDQUOT|quota/i.test(text)) {
    return new MillraceError(
      'DISK_FULL',
      `no space left to write ${file}; nothing was changed, free some space`,
      options,
    )
  }
  if (/MDB_INVALID|MDB_CORRUPTED|MDB_PAGE_NOTFOUND|MDB_PANIC|VERSION_MISMATCH|not an LMDB|corrupt/i.test(text)) {
    const next = 'move it away and start again: it is rebuilt from the event store'
    return new MillraceError('CORRUPT_FILE', `${file} is not a readable user state (${text}); ${next}`, options)
  }
  if (/EACCES|EPERM|EROFS|Permission denied|Read-only/i.test(text)) {
    return new MillraceError('FOLDER_NOT_WRITABLE', `${file} cannot be written (${text})`, options)
  }
  return new MillraceError('STATE_UNAVAILABLE', `${file} cannot be used (${text}); retry`, options)
}
