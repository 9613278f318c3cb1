import type { StoredEvent } from '../../schemas/interaction.ts'

export const START = 1_700_000_000_000

/** Events `from` to `from + length` of one partition, each with an identity of its own. */
export function storedEvents(
  from: number,
  length: number,
  of: (index: number) => Partial<StoredEvent> = () => ({}),
): StoredEvent[] {
  return Array.from({ length }, (_, step) => {
    const offset = from + step
    return {
      ...{ operation: 'assert' as const, userId: `u${offset % 97}`, eventId: `e${offset}`, itemId: `i${offset % 31}` },
      ...{ type: 'view', timestamp: START + offset, value: null, requestId: null, context: null },
      ...{ topic: 'interactions', partition: 0, offset, appendedAt: START + offset },
      ...of(offset),
    }
  })
}
