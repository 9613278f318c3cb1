import { createHash } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readJson, removeUnfinished, writeJson } from './json-file.ts'

const LIST_MAX = 1_000

/** JSON documents in one folder, numbered from 1 in the order of their creation. Writes must not overlap. */
export interface Documents<T extends object> {
  /** The number that the next document will get. */
  next(): number
  has(id: string): boolean
  create(id: string, document: T): Promise<void>
  replace(id: string, document: T): Promise<void>
  read(id: string): Promise<T | null>
  /** Newest first; only these files are read. */
  newest(limit: number): Promise<readonly T[]>
}

/** Reads the folder's names, not the files, so that one damaged document stops nothing but itself. */
export async function openDocuments<T extends object>(
  folder: string,
  fields: readonly (keyof T & string)[],
): Promise<Documents<T>> {
  await mkdir(folder, { recursive: true })
  await removeUnfinished(folder)
  const files = new Map<string, { readonly number: number; readonly file: string }>()
  let last = 0
  for (const name of (await readdir(folder)).sort()) {
    const found = /^(\d{10})-(.+)\.json$/.exec(name)
    if (found === null) continue
    last = Number(found[1])
    files.set(found[2] as string, { number: last, file: join(folder, name) })
  }

  async function read(id: string): Promise<T | null> {
    const found = files.get(nameOf(id))
    return found === undefined ? null : await readJson(found.file, fields)
  }

  return {
    next: () => last + 1,
    has: (id) => files.has(nameOf(id)),
    async create(id, document) {
      const number = last + 1
      const file = join(folder, `${String(number).padStart(10, '0')}-${nameOf(id)}.json`)
      await writeJson(file, document)
      last = number
      files.set(nameOf(id), { number, file })
    },
    async replace(id, document) {
      const found = files.get(nameOf(id))
      if (found !== undefined) await writeJson(found.file, document)
    },
    read,
    async newest(limit) {
      const wanted = [...files.values()]
        .sort((left, right) => right.number - left.number)
        .slice(0, Math.max(0, Math.min(LIST_MAX, limit)))
      const documents: T[] = []
      for (const { file } of wanted) {
        const document = await readJson(file, fields)
        if (document !== null) documents.push(document)
      }
      return documents
    },
  }
}

/** The id itself where it makes a portable file name, its hash otherwise; the document holds the id. */
function nameOf(id: string): string {
  return /^[a-z0-9][a-z0-9_-]{0,99}$/.test(id) ? id : `~${createHash('sha256').update(id).digest('hex')}`
}
