import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import type { InteractionInput } from '../../../schemas/interaction.ts'
import type { Api } from '../api.ts'
import { type Checkpoint, type CheckpointFile, START } from './checkpoint.ts'
import { type EventMapping, mapEvent } from './event-mapping.ts'
import { type InputFile, readRows } from './input-file.ts'

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

interface Batch {
  readonly events: InteractionInput[]
  readonly lines: number[]
  readonly perUser: Map<string, number>
  rejected: number
  nextRow: number
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
  let done = options.dryRun ? START : await checkpoints.read()
  if (done.finished) return done
  const startRow = done.nextRow
  let batch = emptyBatch(startRow)

  async function flush(): Promise<void> {
    const verdicts = options.dryRun ? { accepted: batch.events.length, rejected: [] } : await post(api, batch.events)
    for (const { index, detail } of verdicts.rejected) options.onRejected(`line ${batch.lines[index]}: ${detail}`)
    const rejected = batch.rejected + verdicts.rejected.length
    if (done.accepted === 0 && verdicts.accepted === 0 && rejected > 0) {
      const first = verdicts.rejected[0]?.detail ?? 'the reasons are above'
      throw new MillraceError(
        'INVALID_INPUT_FILE',
        `none of the first ${rejected} rows of ${options.file.path} can be imported: ${first}`,
        { field: options.file.path },
      )
    }
    done = {
      nextRow: batch.nextRow,
      accepted: done.accepted + verdicts.accepted,
      rejected: done.rejected + rejected,
      finished: false,
    }
    if (!options.dryRun) await checkpoints.write(done)
    options.onProgress(done)
    batch = emptyBatch(batch.nextRow)
  }

  for await (const row of readRows(options.file)) {
    if (row.row < startRow) continue
    options.signal.throwIfAborted()
    const mapped = mapEvent(row, options.mapping, options.file.hash)
    if ('rejected' in mapped) {
      options.onRejected(mapped.rejected)
      batch.rejected++
    } else {
      if (isFull(batch, mapped.event.userId)) await flush()
      add(batch, mapped.event, row.line)
    }
    batch.nextRow = row.row + 1
  }
  await flush()
  done = { ...done, finished: true }
  if (!options.dryRun) await checkpoints.write(done)
  return done
}

function emptyBatch(nextRow: number): Batch {
  return { events: [], lines: [], perUser: new Map(), rejected: 0, nextRow }
}

function isFull(batch: Batch, userId: string): boolean {
  return batch.events.length >= BATCH_EVENTS_MAX || (batch.perUser.get(userId) ?? 0) >= BATCH_EVENTS_PER_USER_MAX
}

function add(batch: Batch, event: InteractionInput, line: number): void {
  batch.events.push(event)
  batch.lines.push(line)
  batch.perUser.set(event.userId, (batch.perUser.get(event.userId) ?? 0) + 1)
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
