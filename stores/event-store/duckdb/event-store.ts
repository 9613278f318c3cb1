import { basename, dirname, join } from 'node:path'
import { openEmbeddedFolder } from '../../../schemas/embedded-folder.ts'
import type { EventStore } from '../port.ts'
import { readColumns } from './columns.ts'
import { openDatabase } from './database.ts'
import { insertEvents } from './insert.ts'
import { countEvents, readPopular, readPositions, readUserEvents, scanEvents } from './queries.ts'
import { EVENT_STORE_VERSION } from './schema.ts'

/**
 * The event store in one DuckDB file. Its folder is the store's own: it holds the lock, the write-ahead log and spilled
 * sorts as well. Inserts run one after the other; every read has its own connection and snapshot.
 * @throws MillraceError as openEmbeddedFolder, and CORRUPT_FILE, UNKNOWN_FORMAT, DISK_FULL for the file.
 */
export async function openDuckDbEventStore(file: string): Promise<EventStore> {
  await using opening = new AsyncDisposableStack()
  const folder = opening.use(
    await openEmbeddedFolder(dirname(file), { kind: 'event-store', version: EVENT_STORE_VERSION }),
  )
  const path = join(folder.path, basename(file))
  const database = opening.use(await openDatabase(folder.path, path))
  const opened = opening.move()
  return {
    async insert(events, { signal }) {
      if (events.length === 0) return
      await database.write(`insert of ${events.length} events`, signal, (writer) =>
        insertEvents(writer, events, signal),
      )
    },
    count: ({ signal }) => database.read('count of events', signal, countEvents),
    userEvents: (userId, { limit, signal }) =>
      database.read("reading a user's events", signal, (reader) => readUserEvents(reader, userId, limit)),
    positions: ({ signal }) => database.read('reading positions', signal, readPositions),
    scanByUser: (until, { batchEventsMax, signal }) =>
      database.stream('scan by user', signal, (reader) => scanEvents(reader, until, batchEventsMax)),
    columns: ({ until, signal }) =>
      database.read('reading event columns', signal, (reader) => readColumns(reader, until ?? null, signal)),
    popular: (query, { signal }) =>
      database.read('reading popular items', signal, (reader) => readPopular(reader, query)),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
