import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { Settings } from '../../schemas/settings.ts'
import type { Api } from './api.ts'
import { checkpointFile } from './import/checkpoint.ts'
import { type EventMapping, requireColumn, settleMapping } from './import/event-mapping.ts'
import {
  type CatalogueColumns,
  type CatalogueImported,
  importItems,
  importUsers,
  itemColumnsOf,
} from './import/import-catalogue.ts'
import { importEvents } from './import/import-events.ts'
import { type InputFile, type InputFormat, inspectInputFile, readColumns } from './import/input-file.ts'
import { startProgress } from './progress.ts'
import { grouped, type Terminal } from './terminal.ts'
import { waitUntilCaughtUp } from './wait.ts'

export interface ImportFlags extends Partial<EventMapping> {
  readonly format?: InputFormat
  readonly id?: string
  readonly dryRun?: boolean
  readonly rejects?: string
  readonly wait: boolean
}

/** Rejected rows that are shown; all of them go to --rejects. */
const REJECTIONS_SHOWN = 10

/** An import whose file was read once and whose columns are settled; nothing was sent. */
export interface PreparedImport {
  readonly file: InputFile
  readonly flags: ImportFlags
  readonly kind: 'events' | 'items' | 'users'
  readonly mapping: EventMapping | null
  readonly columns: CatalogueColumns | null
}

/** @throws MillraceError INVALID_INPUT_FILE, before anything is opened or stored. */
export async function prepareImport(
  kind: PreparedImport['kind'],
  path: string,
  flags: ImportFlags,
): Promise<PreparedImport> {
  const file = await inspectInputFile(path, flags.format ?? null)
  const names = await readColumns(file)
  if (kind !== 'events') {
    return { file, flags, kind, mapping: null, columns: settleCatalogueColumns(kind, path, names, flags) }
  }
  const mapping = settleMapping(path, names, flags)
  return { file, flags, kind, mapping, columns: itemColumnsOf(mapping) }
}

interface Parts {
  readonly api: Api
  readonly settings: Settings
  readonly terminal: Terminal
  readonly signal: AbortSignal
}

/** Exit code 0, or 2 when rows were rejected. */
export async function importCommand(prepared: PreparedImport, parts: Parts): Promise<number> {
  const { kind, flags } = prepared
  const rejections = openRejections(flags.rejects ?? null, parts.terminal)
  try {
    const result =
      kind === 'events'
        ? await runEvents(prepared, rejections.report, parts)
        : await runCatalogue(kind, prepared, rejections.report, parts)
    const would = flags.dryRun ? 'would be ' : ''
    parts.terminal.print(`${grouped(result.accepted)} ${kind} ${would}accepted, ${grouped(result.rejected)} rejected`)
    return result.rejected > 0 ? 2 : 0
  } finally {
    await rejections.close()
  }
}

async function runEvents(
  prepared: PreparedImport,
  onRejected: (reason: string) => void,
  parts: Parts,
): Promise<CatalogueImported> {
  const { api, terminal, signal } = parts
  const { file, flags } = prepared
  if (prepared.columns) await runCatalogue('items', prepared, () => {}, parts)
  const { logId } = await api.get<{ logId: string }>('/monitoring/status')
  const checkpoints = checkpointFile(parts.settings.DATA_DIR, logId, file.hash)
  const before = await checkpoints.read()
  if (before.finished) terminal.note(`${file.path} was imported before (${checkpoints.path}); nothing is sent again`)
  else if (before.nextRow > 0) terminal.note(`continuing at row ${grouped(before.nextRow)} of ${file.path}`)
  const startedAt = terminal.now()
  using progress = startProgress(file.lines, terminal.errors, terminal.now)
  const done = await importEvents(api, checkpoints, {
    file,
    mapping: prepared.mapping as EventMapping,
    dryRun: flags.dryRun ?? false,
    signal,
    onRejected,
    onProgress: ({ nextRow }) => {
      const perSecond = (nextRow - before.nextRow) / Math.max(0.001, (terminal.now() - startedAt) / 1_000)
      progress.update(nextRow, `${grouped(nextRow)} rows, ${grouped(Math.round(perSecond))}/s`)
    },
  })
  if (flags.wait && !flags.dryRun) await waitUntilCaughtUp(api, (note) => progress.update(file.lines, note), signal)
  return done
}

async function runCatalogue(
  kind: 'items' | 'users',
  { file, flags, columns }: PreparedImport,
  onRejected: (reason: string) => void,
  { api, terminal, signal }: Parts,
): Promise<CatalogueImported> {
  using progress = startProgress(file.lines, terminal.errors, terminal.now)
  const send = kind === 'items' ? importItems : importUsers
  return await send(api, {
    file,
    columns: columns as CatalogueColumns,
    dryRun: flags.dryRun ?? false,
    signal,
    onRejected,
    onProgress: (rows) => progress.update(rows, `${grouped(rows)} ${kind}`),
  })
}

function settleCatalogueColumns(
  kind: 'items' | 'users',
  path: string,
  columns: readonly string[],
  flags: ImportFlags,
): CatalogueColumns {
  const guesses = kind === 'items' ? ['item', 'itemId', 'item_id', 'id'] : ['user', 'userId', 'user_id', 'id']
  const named = flags.id ?? (kind === 'items' ? flags.item : flags.user)
  const optional = (asked: string | null | undefined, guess: string) =>
    asked ? requireColumn(path, columns, asked) : columns.includes(guess) ? guess : null
  return {
    id: requireColumn(
      path,
      columns,
      named ?? guesses.find((guess) => columns.includes(guess)) ?? (guesses[0] as string),
    ),
    title: kind === 'items' ? optional(flags.title, 'title') : null,
    categories: optional(flags.categories, 'categories'),
  }
}

function openRejections(path: string | null, terminal: Terminal) {
  const file = path === null ? null : createWriteStream(path)
  let count = 0
  return {
    report(reason: string): void {
      count++
      if (count <= REJECTIONS_SHOWN) terminal.note(`  rejected ${reason}`)
      if (count === REJECTIONS_SHOWN + 1 && !file)
        terminal.note('  more rows are rejected; --rejects FILE writes them all')
      file?.write(`${reason}\n`)
    },
    async close(): Promise<void> {
      if (!file) return
      file.end()
      await finished(file)
    },
  }
}
