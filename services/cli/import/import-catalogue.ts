import { isMillraceError } from '../../../schemas/errors.ts'
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

/** A row that the edge refused, by its place in the group. */
interface Refused {
  readonly index: number
  readonly detail: string
}

/** Sends rows as items in bulk. Writing an item again replaces it, so an interrupted import is simply repeated. */
export function importItems(api: Api, options: CatalogueImportOptions): Promise<CatalogueImported> {
  return importInGroups(options, ITEMS_PER_REQUEST, (rows) => sendItems(api, rows))
}

/** Sends rows as users, whose categories are their stated preferences. */
export function importUsers(api: Api, options: CatalogueImportOptions): Promise<CatalogueImported> {
  return importInGroups(options, USERS_AT_ONCE, async (rows) => {
    const answers = await Promise.all(rows.map((row, index) => sendUser(api, row, index)))
    return answers.filter((refused) => refused !== null)
  })
}

/** A request that is too large goes in two halves, and so on. */
async function sendItems(api: Api, rows: readonly CatalogueRow[]): Promise<readonly Refused[]> {
  const items = rows.map(({ id, title, categories }) => ({ itemId: id, ...(title ? { title } : {}), categories }))
  try {
    return (await api.send<{ rejected: readonly Refused[] }>('POST', '/items', { items })).rejected
  } catch (error) {
    const detail = refusalOf(error)
    if (!isMillraceError(error, 'PAYLOAD_TOO_LARGE') || rows.length === 1) {
      return rows.map((_, index) => ({ index, detail }))
    }
  }
  const half = rows.length >> 1
  const first = await sendItems(api, rows.slice(0, half))
  const second = await sendItems(api, rows.slice(half))
  return [...first, ...second.map(({ index, detail }) => ({ index: index + half, detail }))]
}

async function sendUser(api: Api, { id, categories }: CatalogueRow, index: number): Promise<Refused | null> {
  try {
    await api.send('PUT', `/users/${encodeURIComponent(id)}`, { categories })
    return null
  } catch (error) {
    return { index, detail: refusalOf(error) }
  }
}

/** What the edge has against a request; everything but a refusal is thrown on. */
function refusalOf(error: unknown): string {
  if (isMillraceError(error) && (error.httpStatus === 400 || error.httpStatus === 413)) return error.message
  throw error
}

/** The catalogue columns of an event file, where it has any. */
export function itemColumnsOf(mapping: EventMapping): CatalogueColumns | null {
  if (!mapping.title && !mapping.categories) return null
  return { id: mapping.item, title: mapping.title, categories: mapping.categories }
}

interface CatalogueRow {
  readonly line: number
  readonly id: string
  readonly title: string
  readonly categories: readonly string[]
}

async function importInGroups(
  options: CatalogueImportOptions,
  groupSize: number,
  send: (rows: readonly CatalogueRow[]) => Promise<readonly Refused[]>,
): Promise<CatalogueImported> {
  let [accepted, rejected] = [0, 0]
  let group = new Map<string, CatalogueRow>()
  const flush = async () => {
    const rows = [...group.values()]
    group = new Map()
    const refused = options.dryRun || rows.length === 0 ? [] : await send(rows)
    for (const { index, detail } of refused) options.onRejected(`line ${rows[index]?.line}: ${detail}`)
    accepted += rows.length - refused.length
    rejected += refused.length
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

function mapRow({ line, fields }: InputRow, columns: CatalogueColumns): CatalogueRow | null {
  const id = textOf(fields[columns.id])
  if (!isId(id)) return null
  const listed = columns.categories === null ? [] : fields[columns.categories]
  const categories = Array.isArray(listed)
    ? listed.map(textOf)
    : textOf(listed)
        .split('|')
        .map((name) => name.trim())
  const title = columns.title === null ? '' : textOf(fields[columns.title])
  return { line, id, title: title.slice(0, 512), categories: categories.filter(Boolean) }
}
