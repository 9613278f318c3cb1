import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import type { InteractionInput } from '../../../schemas/interaction.ts'
import type { Api } from '../api.ts'
import { type Checkpoint, type CheckpointFile, START } from './checkpoint.ts'
import { type EventMapping, mapEvent } from './event-mapping.ts'
import { type InputFile, readRows } from './input-file.ts'
import { createDoneCheck, ReadAhead } from './read-ahead.ts'

/** Rows read before the first of them is sent, so that large baskets spread over several requests. */
const ROWS_AHEAD_MAX = 10_000
/** Events of one request. */
export const BATCH_EVENTS_MAX = 1_000
/**
 * Events of one user in one request. After a crash at most the last request is sent again, and user state recognises
 * its last EVENT_IDS_MAX (64) event ids; staying below that with room for live traffic keeps a resumed import exact.
 */
export const BATCH_EVENTS_PER_USER_MAX = 48

export interface ImportOptions {
  readonly file: InputFile
  readonly mapping: EventMapping
  /** Check every row, send nothing. */
  readonly dryRun: boolean
  readonly signal: AbortSignal
  onProgress(checkpoint: Checkpoint): void
  /** Called for each row that is not imported, with its line and reason. */
  onRejected(reason: string): void
}

interface Verdicts {
  readonly accepted: number
  readonly rejected: readonly { readonly index: number; readonly detail: string }[]
}

/**
 * Sends a file's rows to the edge, one request at a time, each followed by a checkpoint on disk: an interrupted import
 * continues where it stopped and sends at most one request twice, with the same event ids.
 * @throws MillraceError INVALID_INPUT_FILE when not one row of the first request is usable.
 */
export async function importEvents(api: Api, checkpoints: CheckpointFile, options: ImportOptions): Promise<Checkpoint> {
  const before = options.dryRun ? START : await checkpoints.read()
  if (before.finished) return before
  const sending = createSending(api, checkpoints, options, before)
  const isDone = createDoneCheck(before)
  for await (const row of readRows(options.file)) {
    if (isDone(row.row)) {
      sending.ahead.readPast(row.row)
      continue
    }
    options.signal.throwIfAborted()
    const mapped = mapEvent(row, options.mapping, options.file.hash)
    if ('rejected' in mapped) sending.reject(row.row, mapped.rejected)
    else sending.ahead.add({ row: row.row, line: row.line, event: mapped.event })
    if (sending.ahead.size >= ROWS_AHEAD_MAX) await sending.sendOne()
  }
  do await sending.sendOne()
  while (sending.ahead.size > 0)
  const done = { ...sending.checkpoint(), finished: true }
  if (!options.dryRun) await checkpoints.write(done)
  return done
}

/** The rows on their way, and the running count of what became of them. */
function createSending(api: Api, checkpoints: CheckpointFile, options: ImportOptions, before: Checkpoint) {
  const ahead = new ReadAhead(
    { eventsMax: BATCH_EVENTS_MAX, eventsPerUserMax: BATCH_EVENTS_PER_USER_MAX },
    before.nextRow,
  )
  let { accepted, rejected } = before

  function checkpoint(): Checkpoint {
    return { ...ahead.progress(), accepted, rejected, finished: false }
  }

  return {
    ahead,
    checkpoint,
    reject(row: number, reason: string): void {
      ahead.readPast(row)
      rejected++
      options.onRejected(reason)
    },
    async sendOne(): Promise<void> {
      const rows = ahead.take()
      const events = rows.map(({ event }) => event)
      const verdicts = options.dryRun ? { accepted: events.length, rejected: [] } : await post(api, events)
      for (const { index, detail } of verdicts.rejected) options.onRejected(`line ${rows[index]?.line}: ${detail}`)
      accepted += verdicts.accepted
      rejected += verdicts.rejected.length
      if (accepted === 0 && rejected > 0) throw nothingUsable(options.file.path, rejected, verdicts)
      if (!options.dryRun) await checkpoints.write(checkpoint())
      options.onProgress(checkpoint())
    },
  }
}

function nothingUsable(path: string, rejected: number, verdicts: Verdicts): MillraceError {
  const first = verdicts.rejected[0]?.detail ?? 'the reasons are above'
  const message = `none of the first ${rejected} rows of ${path} can be imported: ${first}`
  return new MillraceError('INVALID_INPUT_FILE', message, { field: path })
}

async function post(api: Api, events: readonly InteractionInput[]): Promise<Verdicts> {
  if (events.length === 0) return { accepted: 0, rejected: [] }
  try {
    return await api.send<Verdicts>('POST', '/events', { events })
  } catch (error) {
    if (!isMillraceError(error) || error.httpStatus !== 400) throw error
    return { accepted: 0, rejected: events.map((_, index) => ({ index, detail: error.message })) }
  }
}
