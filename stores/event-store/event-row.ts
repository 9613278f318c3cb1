import type { StoredEvent } from '../../schemas/interaction.ts'

/** The event of a row in the order of both adapters' EVENT_COLUMNS: numbers as numbers, the context as JSON text. */
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
