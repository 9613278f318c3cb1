import { MillraceError } from '../../../schemas/errors.ts'
import type { EventColumns } from '../../../schemas/event-columns.ts'
import { columnsQuery, createRowReader } from './column-rows.ts'
import type { ClickHouseConnection } from './connection.ts'
import { createRowStaging, type RowStaging } from './row-staging.ts'
import { inSteps, orderByTime } from './time-order.ts'

const TYPES_MAX = 256
const WHAT = 'reading event columns'

/** Reads events as of the query's beginning, in steps that leave the event loop free. */
export async function readColumns(
  connection: ClickHouseConnection,
  until: ReadonlyMap<string, number> | null,
  signal: AbortSignal,
): Promise<EventColumns> {
  const staging = createRowStaging()
  const reader = createRowReader(staging)
  const query = { text: columnsQuery(until !== null), parameters: until === null ? {} : { until } }
  await connection.bytes(WHAT, signal, query, async (stream) => {
    for await (const bytes of stream) {
      signal.throwIfAborted()
      reader.take(bytes as Buffer)
    }
    reader.end()
  })
  const { users, items, types } = reader
  if (types.length > TYPES_MAX)
    throw new MillraceError('TOO_LARGE_FOR_MEMORY', `${types.length} event types; training reads at most ${TYPES_MAX}`)
  try {
    return await arrange(staging, { users, items, types }, signal)
  } catch (error) {
    if (signal.aborted) throw new MillraceError('ABORTED', `${WHAT} was aborted`, { cause: error })
    if (!(error instanceof RangeError)) throw error
    const message = `no memory for the columns of ${staging.length} events`
    throw new MillraceError('TOO_LARGE_FOR_MEMORY', message, { cause: error })
  }
}

/** Puts the rows in order of time; they came by user and event id, so equal times stay in that order. */
async function arrange(
  staging: RowStaging,
  ids: { users: readonly string[]; items: readonly string[]; types: readonly string[] },
  signal: AbortSignal,
): Promise<EventColumns> {
  const { length } = staging
  const [items, types] = [sorted(ids.items), sorted(ids.types)]
  const columns = {
    ...{ users: ids.users, items: items.ids, types: types.ids, length },
    userIndex: new Int32Array(new SharedArrayBuffer(length * 4)),
    itemIndex: new Int32Array(new SharedArrayBuffer(length * 4)),
    typeIndex: new Uint8Array(new SharedArrayBuffer(length)),
    timestamp: new Float64Array(new SharedArrayBuffer(length * 8)),
    value: new Float64Array(new SharedArrayBuffer(length * 8)),
  }
  const timestamps = staging.timestamps()
  const order = await orderByTime(timestamps, signal)
  await inSteps(length, signal, (place) => {
    const row = order[place] as number
    const block = staging.blockOf(row)
    const within = row - block.start
    columns.userIndex[place] = block.userIndex[within] as number
    columns.itemIndex[place] = items.rank[block.itemIndex[within] as number] as number
    columns.typeIndex[place] = types.rank[block.typeIndex[within] as number] as number
    columns.timestamp[place] = timestamps[row] as number
    columns.value[place] = block.value[within] as number
  })
  return columns
}

/** Ids in their byte order and the new number of each old one, so that the same events give the same columns everywhere. */
function sorted(ids: readonly string[]): { ids: readonly string[]; rank: Int32Array } {
  const order = Array.from(ids, (_, index) => index).sort((left, right) => {
    const [a, b] = [ids[left] as string, ids[right] as string]
    return a < b ? -1 : a > b ? 1 : 0
  })
  const rank = new Int32Array(ids.length)
  for (const [place, index] of order.entries()) rank[index] = place
  return { ids: order.map((index) => ids[index] as string), rank }
}
