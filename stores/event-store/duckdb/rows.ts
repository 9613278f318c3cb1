import type { DuckDBDataChunk } from '@duckdb/node-api'
import type { StoredEvent } from '../../../schemas/interaction.ts'
import { eventOf } from '../event-row.ts'

/** Columns of `events` in the order that `eventsOf` reads; large integers as DOUBLE, exact below 2^53. */
export const EVENT_COLUMNS = `user_id, event_id, item_id, type, operation, "timestamp"::DOUBLE, "value", request_id, context,
  topic, "partition", "offset"::DOUBLE, appended_at::DOUBLE`

/** The events of a chunk selected with EVENT_COLUMNS. */
export function eventsOf(chunk: DuckDBDataChunk): StoredEvent[] {
  return chunk.getRows().map(eventOf)
}
