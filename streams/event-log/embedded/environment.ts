import { statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { MillraceError } from '../../../schemas/errors.ts'
import { checkLmdbFile } from '../../../schemas/lmdb-file.ts'
import { createTables, type Table } from '../../../schemas/lmdb-tables.ts'
import { blockSize } from './block.ts'

/** With less than this free a write of some pages may have been cut short for want of space. */
const FULL_BYTES = 16 * 1_048_576

/** The LMDB environment of an embedded log. Every commit is on the disk when its promise resolves. */
export interface Environment {
  readonly file: string
  /** [topic u16, partition u32, base offset u48] -> block. */
  readonly blocks: Table<Buffer, Uint8Array>
  /** [topic u16, partition u32] -> start, end, bytes, newest append time as f64. */
  readonly partitions: Table<Buffer, Uint8Array>
  /** Compact topics: [topic u16, partition u32, record key] -> newest offset as f64. */
  readonly newest: Table<Buffer, Uint8Array>
  /** Compact topics: [topic u16, partition u32, offset u48] of a tombstone -> its record key. */
  readonly tombstones: Table<Buffer, Uint8Array>
  /** ['id'], ['topic', name], ['group', group, topic, partition] -> plain values. */
  readonly meta: Table<unknown, (string | number)[]>
  /** Runs `stage`, whose writes become one transaction, or none when it throws; resolves when that is on the disk. */
  commit(stage: () => void): Promise<void>
  close(): Promise<void>
}

/** @throws MillraceError CORRUPT_FILE, DISK_FULL or FOLDER_NOT_WRITABLE naming the file. */
export async function openEnvironment(folder: string): Promise<Environment> {
  const file = join(folder, 'log.mdb')
  const { wasShort } = await checkLmdbFile(file)
  const environment = openDatabases(file)
  try {
    if (wasShort) readEverything(environment)
  } catch (cause) {
    await environment.close()
    throw environmentError(file, cause)
  }
  return environment
}

/** Fails where a page in use was lost. */
function readEverything({ blocks, partitions, newest, tombstones, meta }: Environment): void {
  for (const { value } of blocks.getRange({})) blockSize(value)
  for (const database of [partitions, newest, tombstones, meta]) for (const _ of database.getRange({}));
}

function openDatabases(file: string): Environment {
  let root: RootDatabase<Buffer, Uint8Array>
  try {
    root = open<Buffer, Uint8Array>(file, {
      overlappingSync: false,
      // Otherwise lmdb rejects a promise of its own that nobody can catch when a commit fails.
      eventTurnBatching: false,
      maxDbs: 8,
      encoding: 'binary',
      keyEncoding: 'binary',
    })
    const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
    const tables = createTables(root)
    return {
      file,
      blocks: tables.table(root.openDB('blocks', binary)),
      partitions: tables.table(root.openDB('partitions', binary)),
      newest: tables.table(root.openDB('newest', binary)),
      tombstones: tables.table(root.openDB('tombstones', binary)),
      meta: tables.table(root.openDB('meta', { encoding: 'msgpack', keyEncoding: 'ordered-binary' })),
      async commit(stage) {
        try {
          await tables.commit(stage)
        } catch (cause) {
          throw environmentError(file, await commitErrorOf(cause))
        }
      },
      close: () => root.close(),
    }
  } catch (cause) {
    throw environmentError(file, cause)
  }
}

/** What lmdb hides behind "Commit failed": a promise that rejects with the real error. */
async function commitErrorOf(cause: unknown): Promise<unknown> {
  if (!(cause instanceof Error) || !('commitError' in cause)) return cause
  try {
    await cause.commitError
    return cause
  } catch (error) {
    return error
  }
}

/** LMDB's and the system's failures in Millrace's words. */
function environmentError(file: string, cause: unknown): unknown {
  if (cause instanceof MillraceError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  const options = { cause, field: file }
  if (
    /MDB_MAP_FULL|ENOSPC|No space left|EDQUOT|quota/i.test(text) ||
    (/Input\/output error/.test(text) && isFull(file))
  ) {
    return new MillraceError(
      'DISK_FULL',
      `no space left to write ${file}; nothing of this was acknowledged, free some space and retry`,
      options,
    )
  }
  if (/MDB_(INVALID|CORRUPTED|PAGE_NOTFOUND|PANIC|VERSION_MISMATCH|INCOMPATIBLE)|not an LMDB|corrupt/i.test(text)) {
    return new MillraceError(
      'CORRUPT_FILE',
      `${file} is not a readable event log (${text}); restore it or move it away to start empty`,
      options,
    )
  }
  if (/EACCES|EPERM|EROFS|Permission denied|Read-only/i.test(text)) {
    return new MillraceError('FOLDER_NOT_WRITABLE', `${file} cannot be written (${text})`, options)
  }
  return new MillraceError(
    'LOG_UNAVAILABLE',
    `${file} cannot be used (${text}); nothing was acknowledged, retry with the same ids`,
    options,
  )
}

/** LMDB reports a write that was cut short as an input/output error, whatever the reason. */
function isFull(file: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(file))
  return bavail * bsize < FULL_BYTES
}
