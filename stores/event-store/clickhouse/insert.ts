import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { ClickHouseSettings } from '@clickhouse/client'
import type { StoredEvent } from '../../../schemas/interaction.ts'
import { firstDeliveries } from '../first-deliveries.ts'
import type { ClickHouseConnection } from './connection.ts'

/** Rows encoded at a time: about a millisecond of the event loop. */
const ROWS_PER_STEP = 1_000
/** Above any batch: the server must not cut one into several parts, which would become visible one by one. */
const BLOCK_ROWS_MAX = '100000000'
const BLOCK_BYTES_MAX = '100000000000'

const INSERT = `INSERT INTO events (user_id, event_id, item_id, type, operation, timestamp, value, request_id, context,
  topic, partition, offset, appended_at) FORMAT JSONCompactEachRow`

/** What the promises of `insert` rest on. Sent with every request, so neither the URL nor the user's profile changes it. */
const SETTINGS: ClickHouseSettings = {
  // Queued inserts (the default of recent servers) would be cut and merged as the queue likes.
  async_insert: 0,
  // One batch is one block is one part: it becomes visible by one rename.
  input_format_parallel_parsing: 0,
  max_insert_block_size: BLOCK_ROWS_MAX,
  min_insert_block_size_rows: BLOCK_ROWS_MAX,
  min_insert_block_size_bytes: BLOCK_BYTES_MAX,
  // The default of older servers reads 0.30000000000000004 as 0.3.
  precise_float_parsing: 1,
  input_format_allow_errors_num: '0',
  input_format_allow_errors_ratio: 0,
}

/**
 * Stores the batch, all of it or nothing. Events that are there already become rows that no reader sees. An abort before
 * the rows are on their way stores nothing; later their fate is awaited for a while.
 */
export async function insertEvents(
  connection: ClickHouseConnection,
  events: readonly StoredEvent[],
  signal: AbortSignal,
): Promise<void> {
  await connection.insert(`insert of ${events.length} events`, signal, async () => {
    const hash = createHash('sha256')
    const steps: Buffer[] = []
    const distinct = firstDeliveries(events)
    for (let start = 0; start < distinct.length; start += ROWS_PER_STEP) {
      if (start > 0) await setImmediate()
      signal.throwIfAborted()
      const step = Buffer.from(
        distinct
          .slice(start, start + ROWS_PER_STEP)
          .map(rowOf)
          .join(''),
      )
      hash.update(step)
      steps.push(step)
    }
    return {
      ...{ query: INSERT, rows: Readable.from(steps, { objectMode: false }) },
      // Over all bytes: the same token never covers different rows.
      settings: { ...SETTINGS, insert_deduplicate: 1, insert_deduplication_token: hash.digest('hex') },
    }
  })
}

function rowOf(event: StoredEvent): string {
  const row = [
    ...[event.userId, event.eventId, event.itemId, event.type, event.operation, event.timestamp, event.value],
    ...[event.requestId, event.context === null ? null : JSON.stringify(event.context)],
    ...[event.topic, event.partition, event.offset, event.appendedAt],
  ]
  return `${JSON.stringify(row)}\n`
}
