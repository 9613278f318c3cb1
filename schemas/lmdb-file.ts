import { type FileHandle, open } from 'node:fs/promises'
import { MillraceError } from './errors.ts'

const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const META_PAGE_FLAG = 8
const META_BYTES = 160
const PAGE_BYTES_MAX = 65_536

/**
 * Checks an LMDB file before lmdb opens it, for lmdb itself ends the process on a file that is none. A file shorter than
 * its header says is made longer with zeros: LMDB may leave free pages at the end unwritten, and where the missing pages
 * were in use, reading them is an error now instead of a fault. Returns whether that happened (then the caller should
 * read everything once). An absent or empty file is fine.
 * @throws MillraceError CORRUPT_FILE naming the file.
 */
export async function checkLmdbFile(file: string): Promise<{ readonly wasShort: boolean }> {
  let handle: FileHandle
  try {
    handle = await open(file, 'r+')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { wasShort: false }
    throw new MillraceError('FOLDER_NOT_WRITABLE', `${file} cannot be opened for writing`, { cause, field: file })
  }
  try {
    const { size } = await handle.stat()
    if (size === 0) return { wasShort: false }
    const pageBytes = (await readMeta(handle, file, 0)).pageBytes
    const metas = [await readMeta(handle, file, 0), await readMeta(handle, file, pageBytes)]
    const bytes = Math.max(...metas.map((meta) => (meta.lastPage + 1) * pageBytes))
    if (size >= bytes) return { wasShort: false }
    await handle.truncate(bytes)
    return { wasShort: true }
  } finally {
    await handle.close()
  }
}

/** The fields of a meta page (struct MDB_meta of LMDB, data version 2, little-endian). */
async function readMeta(
  handle: FileHandle,
  file: string,
  at: number,
): Promise<{ pageBytes: number; lastPage: number }> {
  const page = Buffer.alloc(META_BYTES)
  const { bytesRead } = await handle.read(page, 0, META_BYTES, at)
  const pageBytes = page.readUInt32LE(48)
  const lastPage = Number(page.readBigUInt64LE(144))
  const isMeta =
    bytesRead === META_BYTES &&
    (page.readUInt16LE(18) & META_PAGE_FLAG) !== 0 &&
    page.readUInt32LE(24) === MAGIC &&
    (page.readUInt32LE(28) & 0xffff) === DATA_VERSION
  const isPlausible = pageBytes >= 512 && pageBytes <= PAGE_BYTES_MAX && (pageBytes & (pageBytes - 1)) === 0
  if (isMeta && isPlausible && Number.isSafeInteger(lastPage * pageBytes)) return { pageBytes, lastPage }
  throw new MillraceError(
    'CORRUPT_FILE',
    `${file} is not a readable LMDB file; restore it, or move it away to start empty`,
    {
      field: file,
    },
  )
}
