import type { EventStore } from '../port.ts'
import { parseClickHouseAddress } from './address.ts'
import { readColumns } from './columns.ts'
import { connectClickHouse } from './connection.ts'
import { asOpeningFailure } from './failure.ts'
import { insertEvents } from './insert.ts'
import { applyRetention, migrate } from './migrations.ts'
import { countEvents, readPopular, readPositions, readUserEvents, scanEvents } from './queries.ts'

/** Longest wait for a server that does not answer while the store is opened. */
const OPENING_TIMEOUT_MS = 30_000

/**
 * The event store in one database of a ClickHouse server, which must exist; its tables are created and brought up to date.
 * Any number of processes may hold it open. The URL may carry `retention_days=N`, settings of the server as
 * `ch_NAME=VALUE`, and the client's own parameters, e.g. `request_timeout=MS`.
 * @throws MillraceError CONFIG_INVALID for a wrong URL, password or database, STORE_UNAVAILABLE for a server that cannot
 * be reached, UNKNOWN_FORMAT for tables of another version; each in one line without credentials.
 */
export async function openClickHouseEventStore(url: string): Promise<EventStore> {
  const address = parseClickHouseAddress(url)
  await using opening = new AsyncDisposableStack()
  const connection = opening.use(connectClickHouse(address))
  const timeout = AbortSignal.timeout(OPENING_TIMEOUT_MS)
  try {
    await migrate(connection, address.shown, timeout)
    if (address.retentionDays !== null) await applyRetention(connection, address.retentionDays, timeout)
  } catch (error) {
    throw asOpeningFailure(error, address.shown, timeout)
  }
  const opened = opening.move()
  return {
    async insert(events, { signal }) {
      if (events.length > 0) await insertEvents(connection, events, signal)
    },
    count: ({ signal }) => countEvents(connection, signal),
    userEvents: (userId, { limit, signal }) => readUserEvents(connection, userId, limit, signal),
    positions: ({ signal }) => readPositions(connection, signal),
    scanByUser: (until, { batchEventsMax, signal }) => scanEvents(connection, until, batchEventsMax, signal),
    columns: ({ until, signal }) => readColumns(connection, until ?? null, signal),
    popular: (query, { signal }) => readPopular(connection, query, signal),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
