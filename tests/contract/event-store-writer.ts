/** A process to be killed: inserts batches for ever and prints each batch's number once it is acknowledged. */
import { argv, stdout } from 'node:process'
import type { StoredEvent } from '../../schemas/interaction.ts'
import { openEventStore } from '../../stores/event-store/open.ts'

const [, , url = '', from = '0', batchEvents = '500'] = argv
const size = Number(batchEvents)
const store = await openEventStore(url)
const { signal } = new AbortController()
for (let batch = Number(from); ; batch++) {
  const events = Array.from({ length: size }, (_, index): StoredEvent => {
    const offset = batch * size + index
    return {
      ...{
        operation: 'assert' as const,
        eventId: `e${offset}`,
        userId: `u${offset % 97}`,
        itemId: `i${offset % 31}`,
        type: 'view',
      },
      ...{ timestamp: 1_700_000_000_000 + offset, value: null, requestId: null, context: null },
      ...{ topic: 'interactions', partition: 0, offset, appendedAt: 1_700_000_000_000 + offset },
    }
  })
  await store.insert(events, { signal })
  stdout.write(`${batch}\n`)
}
