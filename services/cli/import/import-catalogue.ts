import { isId } from '../../../schemas/identifiers.ts'
import type { Api } from '../api.ts'
import { type EventMapping, textOf } from './event-mapping.ts'
import { type InputFile, type InputRow, readRows } from './input-file.ts'

const ITEMS_PER_REQUEST = 500
const USERS_AT_ONCE = 16

export interface CatalogueColumns {
  readonly id: string
  readonly title: string | null
  readonly categories: string | null
}

export interface CatalogueImportOptions {
  readonly file: InputFile
  readonly columns: CatalogueColumns
  readonly dryRun: boolean
  readonly signal: AbortSignal
  onProgress(rows: number): void
  onRejected(reason: string): void
}

export interface CatalogueImported {
  readonly accepted: number
  readonly rejected: number
}

/** Sends rows as items in bulk. Writing an item again replaces it, so an interrupted import is simply repeated. */
export function importItems(api: Api, options: CatalogueImportOptions): Promise<CatalogueImported> {
  return importInGroups(options, ITEMS_PER_REQUEST, async (rows) => {
    await api.send('POST', '/items', {
      items: rows.map(({ id, title, categories }) => ({ itemId: id, ...(title ? { title } : {}), categories })),
    })
  })
}

/** Sends rows as users, whose categories are their stated preferences. */
export function importUsers(api: Api, options: CatalogueImportOptions): Promise<CatalogueImported> {
  return importInGroups(options, USERS_AT_ONCE, async (rows) => {
    await Promise.all(
      rows.map(({ id, categories }) => api.send('PUT', `/users/${encodeURIComponent(id)}`, { categories })),
    )
  })
}

/** The catalogue columns of an event file, where it has any. */
export function itemColumnsOf(mapping: EventMapping): CatalogueColumns | null {
  if (!mapping.title && !mapping.categories) return null
  return { id: mapping.item, title: mapping.title, categories: mapping.categories }
}

interface CatalogueRow {
  readonly id: string
  readonly title: string
  readonly categories: readonly string[]
}

async function importInGroups(
  options: CatalogueImportOptions,
  groupSize: number,
  send: (rows: readonly CatalogueRow[]) => Promise<void>,
): Promise<CatalogueImported> {
  let [accepted, rejected] = [0, 0]
  let group = new Map<string, CatalogueRow>()
  const flush = async () => {
    if (!options.dryRun && group.size > 0) await send([...group.values()])
    accepted += group.size
    group = new Map()
  }
  for await (const row of readRows(options.file)) {
    options.signal.throwIfAborted()
    const mapped = mapRow(row, options.columns)
    if (mapped) group.set(mapped.id, mapped)
    else {
      rejected++
      options.onRejected(
        `line ${row.line}: ${options.columns.id} "${textOf(row.fields[options.columns.id])}" is not an id`,
      )
    }
    if (group.size >= groupSize) await flush()
    options.onProgress(row.row + 1)
  }
  await flush()
  return { accepted, rejected }
}

function mapRow({ fields }: InputRow, columns: CatalogueColumns): CatalogueRow | null {
  const id = textOf(fields[columns.id])
  if (!isId(id)) return null
  const listed = columns.categories === null ? [] : fields[columns.categories]
  const categories = Array.isArray(listed)
    ? listed.map(textOf)
    : textOf(listed)
        .split('|')
        .map((name) => name.trim())
  const title = columns.title === null ? '' : textOf(fields[columns.title])
  return { id, title: title.slice(0, 512), categories: categories.filter(Boolean) }
}
