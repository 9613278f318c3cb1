import { DOUBLE, type DuckDBConnection, type DuckDBDataChunk, LIST, listValue, VARCHAR } from '@duckdb/node-api'
import { MillraceError } from '../../../schemas/errors.ts'
import type { EventColumns } from '../../../schemas/event-columns.ts'

const TYPES_MAX = 256

/** `SELECT DISTINCT` in the ids' byte order, so that a dictionary index sorts as its id does. */
const dictionaryOf = (column: string, events: string) => `CREATE OR REPLACE TEMP TABLE ${column}_dictionary AS
  SELECT ${column} AS id, (row_number() OVER (ORDER BY ${column}) - 1)::INTEGER AS index
  FROM (SELECT DISTINCT ${column} FROM ${events})`

const orderedIn = (
  events: string,
) => `SELECT u.index, i.index, t.index, e."timestamp"::DOUBLE, coalesce(e."value", 'NaN'::DOUBLE)
  FROM ${events} e
  JOIN user_id_dictionary u ON u.id = e.user_id
  JOIN item_id_dictionary i ON i.id = e.item_id
  JOIN type_dictionary t ON t.id = e.type
  ORDER BY e."timestamp", u.index, e.event_id`

/** The events below a position vector, which stands in a table of the connection's own. */
const BOUNDED = `(SELECT events.* FROM events JOIN window_bound AS b
  ON events.topic = b.topic AND events."partition" = b."partition" AND events."offset" < b.next)`

/** Reads events in the caller's transaction; DuckDB's threads do the work and each chunk is copied by itself. */
export async function readColumns(
  connection: DuckDBConnection,
  until: ReadonlyMap<string, number> | null,
  signal: AbortSignal,
): Promise<EventColumns> {
  if (until !== null) await bound(connection, until)
  const events = until === null ? 'events' : BOUNDED
  const users = await dictionary(connection, 'user_id', events, signal)
  const items = await dictionary(connection, 'item_id', events, signal)
  const types = await dictionary(connection, 'type', events, signal)
  if (types.length > TYPES_MAX)
    throw new MillraceError('TOO_LARGE_FOR_MEMORY', `${types.length} event types; training reads at most ${TYPES_MAX}`)
  const counted = await connection.runAndReadAll(`SELECT count(*)::DOUBLE FROM ${events}`)
  const length = Number(counted.getRowsJS()[0]?.[0] ?? 0)
  const columns = {
    ...{ users, items, types, length },
    userIndex: new Int32Array(new SharedArrayBuffer(length * 4)),
    itemIndex: new Int32Array(new SharedArrayBuffer(length * 4)),
    typeIndex: new Uint8Array(new SharedArrayBuffer(length)),
    timestamp: new Float64Array(new SharedArrayBuffer(length * 8)),
    value: new Float64Array(new SharedArrayBuffer(length * 8)),
  }
  const targets = [columns.userIndex, columns.itemIndex, columns.typeIndex, columns.timestamp, columns.value]
  const result = await connection.stream(orderedIn(events))
  for (let start = 0; start < length; ) {
    signal.throwIfAborted()
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    for (const [column, target] of targets.entries()) copyColumn(chunk, column, target, start)
    start += chunk.rowCount
  }
  return columns
}

async function bound(connection: DuckDBConnection, until: ReadonlyMap<string, number>): Promise<void> {
  await connection.run('CREATE OR REPLACE TEMP TABLE window_bound (topic VARCHAR, "partition" INTEGER, next DOUBLE)')
  if (until.size === 0) return
  await connection.run(
    `INSERT INTO window_bound
      SELECT regexp_replace(key, '/[0-9]+$', ''), regexp_extract(key, '[0-9]+$')::INTEGER, next
      FROM (SELECT unnest($keys) AS key, unnest($nexts) AS next)`,
    { keys: listValue([...until.keys()]), nexts: listValue([...until.values()]) },
    { keys: LIST(VARCHAR), nexts: LIST(DOUBLE) },
  )
}

async function dictionary(
  connection: DuckDBConnection,
  column: 'user_id' | 'item_id' | 'type',
  events: string,
  signal: AbortSignal,
): Promise<string[]> {
  await connection.run(dictionaryOf(column, events))
  const result = await connection.stream(`SELECT id FROM ${column}_dictionary ORDER BY index`)
  const ids: string[] = []
  for await (const chunk of result) {
    signal.throwIfAborted()
    chunk.visitColumnValues(0, (id) => ids.push(id as string))
  }
  return ids
}

function copyColumn(
  chunk: DuckDBDataChunk,
  column: number,
  target: Int32Array | Uint8Array | Float64Array,
  start: number,
): void {
  chunk.visitColumnValues(column, (value, row) => {
    target[start + row] = value as number
  })
}
