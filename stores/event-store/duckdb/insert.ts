import { setImmediate } from 'node:timers/promises'
import { DOUBLE, type DuckDBConnection, DuckDBDataChunk, type DuckDBValue, INTEGER, VARCHAR } from '@duckdb/node-api'
import type { StoredEvent } from '../../../schemas/interaction.ts'
import { firstDeliveries } from '../first-deliveries.ts'

/** Rows handed to DuckDB at a time: a few milliseconds of the event loop each. */
const ROWS_PER_CHUNK = 1_024

const STAGING_TYPES = [
  ...[VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR, DOUBLE, DOUBLE, VARCHAR, VARCHAR, VARCHAR, INTEGER, DOUBLE, DOUBLE],
]

const IDENTITY = `(md5_number_upper(user_id) // 65536)::UHUGEINT * 1208925819614629174706176::UHUGEINT
  + md5_number(user_id || ' ' || event_id)::UHUGEINT % 1208925819614629174706176::UHUGEINT`

const INSERT_STAGED = `INSERT INTO events
  SELECT ${IDENTITY}, user_id, event_id, item_id, type, operation, "timestamp"::BIGINT, "value", request_id, context,
    topic, "partition", "offset"::BIGINT, appended_at::BIGINT
  FROM staging ON CONFLICT DO NOTHING`

const advancePositions = (from: string) => `INSERT INTO positions
  SELECT topic, "partition", max("offset")::BIGINT + 1 FROM ${from} GROUP BY ALL
  ON CONFLICT DO UPDATE SET next_offset = greatest(next_offset, excluded.next_offset)`

/** Stored rows of the batch and perhaps others, which do no harm: offsets rise with the file, so blocks are skipped. */
const STORED_SINCE_STAGED = `(SELECT topic, "partition", "offset" FROM events
  WHERE "offset" >= (SELECT min("offset")::BIGINT FROM staging))`

/** Stores the events that are not there yet, all of them or none; of an identity's copies in the batch the first. */
export async function insertEvents(
  connection: DuckDBConnection,
  events: readonly StoredEvent[],
  signal: AbortSignal,
): Promise<void> {
  const distinct = firstDeliveries(events)
  await connection.run('TRUNCATE staging')
  await stage(connection, distinct, signal)
  await connection.run('BEGIN')
  const inserted = await connection.run(INSERT_STAGED)
  if (inserted.rowsChanged === distinct.length) await connection.run(advancePositions('staging'))
  else if (inserted.rowsChanged > 0) await connection.run(advancePositions(STORED_SINCE_STAGED))
  await connection.run('COMMIT')
}

async function stage(connection: DuckDBConnection, events: readonly StoredEvent[], signal: AbortSignal): Promise<void> {
  const appender = await connection.createAppender('staging')
  try {
    for (let start = 0; start < events.length; start += ROWS_PER_CHUNK) {
      if (start > 0) await setImmediate()
      signal.throwIfAborted()
      appender.appendDataChunk(chunkOf(events.slice(start, start + ROWS_PER_CHUNK)))
    }
  } finally {
    appender.closeSync()
  }
}

function chunkOf(events: readonly StoredEvent[]): DuckDBDataChunk {
  const columns: DuckDBValue[][] = STAGING_TYPES.map(() => [])
  for (const event of events) {
    columns[0]?.push(event.userId)
    columns[1]?.push(event.eventId)
    columns[2]?.push(event.itemId)
    columns[3]?.push(event.type)
    columns[4]?.push(event.operation)
    columns[5]?.push(event.timestamp)
    columns[6]?.push(event.value)
    columns[7]?.push(event.requestId)
    columns[8]?.push(event.context === null ? null : JSON.stringify(event.context))
    columns[9]?.push(event.topic)
    columns[10]?.push(event.partition)
    columns[11]?.push(event.offset)
    columns[12]?.push(event.appendedAt)
  }
  const chunk = DuckDBDataChunk.create(STAGING_TYPES, events.length)
  chunk.setColumns(columns)
  return chunk
}
