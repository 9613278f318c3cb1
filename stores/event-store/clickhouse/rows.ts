import type { StoredEvent } from '../../../schemas/interaction.ts'

/** Columns of `events` in the order that `eventOf` reads. */
export const EVENT_COLUMNS = `user_id, event_id, item_id, type, operation, timestamp, value, request_id, context,
  topic, partition, offset, appended_at`

/** The event of a row selected with EVENT_COLUMNS. */
export function eventOf(row: readonly unknown[]): StoredEvent {
  const context = row[8] as string | null
  return {
    userId: row[0] as string,
    eventId: row[1] as string,
    itemId: row[2] as string,
    type: row[3] as string,
    operation: row[4] as StoredEvent['operation'],
    timestamp: row[5] as number,
    value: row[6] as number | null,
    requestId: row[7] as string | null,
    context: context === null ? null : (JSON.parse(context) as Record<string, string>),
    topic: row[9] as string,
    partition: row[10] as number,
    offset: row[11] as number,
    appendedAt: row[12] as number,
  }
}
