import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { MillraceError } from '../../schemas/errors.ts'
import type { SchemaRegistry } from './port.ts'

const Registered = Type.Object({
  version: Type.Literal(1),
  schemas: Type.Array(Type.Object({ id: Type.Integer({ minimum: 1 }), subject: Type.String(), schema: Type.String() })),
})
type Registered = Static<typeof Registered>

/** Schema ids in the file schemas.json of `folder`, or in memory when that is null. One process owns the folder. */
export async function openEmbeddedRegistry(folder: string | null): Promise<SchemaRegistry> {
  const file = folder === null ? null : join(folder, 'schemas.json')
  let { schemas } = file === null ? EMPTY : await load(file)
  return {
    async register(subject, schemaText) {
      const known = schemas.find((entry) => entry.schema === schemaText)
      if (known !== undefined) return known.id
      const id = Math.max(0, ...schemas.map((entry) => entry.id)) + 1
      const next = [...schemas, { id, subject, schema: schemaText }]
      if (file !== null) await save(file, { version: 1, schemas: next })
      schemas = next
      return id
    },
    schema: async (id) => schemas.find((entry) => entry.id === id)?.schema ?? null,
  }
}

const EMPTY: Registered = { version: 1, schemas: [] }

async function load(file: string): Promise<Registered> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return EMPTY
    throw error
  }
  try {
    return Value.Parse(Registered, JSON.parse(text))
  } catch (cause) {
    throw new MillraceError(
      'CORRUPT_FILE',
      `${file} is not a readable schema registry; without it old records cannot be read, restore it`,
      { cause, field: file },
    )
  }
}

/** Atomic and durable: the ids must be on the disk before any record carries them. */
async function save(file: string, content: Registered): Promise<void> {
  const aside = `${file}.${randomUUID()}`
  try {
    await mkdir(dirname(file), { recursive: true })
    const handle = await open(aside, 'wx')
    try {
      await handle.writeFile(JSON.stringify(content, null, 2))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(aside, file)
    const directory = await open(dirname(file), 'r')
    await directory.sync().finally(() => directory.close())
  } catch (cause) {
    const isFull = (cause as NodeJS.ErrnoException).code === 'ENOSPC'
    throw new MillraceError(
      isFull ? 'DISK_FULL' : 'FOLDER_NOT_WRITABLE',
      `${file} cannot be written; no schema was registered`,
      { cause, field: file },
    )
  }
}
