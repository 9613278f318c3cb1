import type { StoredEvent } from '../../schemas/interaction.ts'

/** Of each identity (user id, event id) in the batch the first event, in the batch's order. Ids hold no space. */
export function firstDeliveries(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const seen = new Set<string>()
  return events.filter((event) => {
    const size = seen.size
    return seen.add(`${event.userId} ${event.eventId}`).size > size
  })
}
