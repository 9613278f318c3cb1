import { MillraceError } from '../../schemas/errors.ts'
import type { EventStore } from './port.ts'

// Only the adapter that is used is loaded: native modules and SDKs take a while.
/**
 * Opens the event store that the URL's scheme names: `duckdb:DIR/FILE`, where DIR belongs to the store alone, or
 * `http(s)://user:password@host:8123/database` of a ClickHouse server.
 * @throws MillraceError CONFIG_INVALID for another scheme, and whatever the adapter throws.
 */
export async function openEventStore(url: string): Promise<EventStore> {
  const file = /^duckdb:(.+[^/])$/.exec(url)?.[1]
  if (file !== undefined) return await (await import('./duckdb/event-store.ts')).openDuckDbEventStore(file)
  if (/^https?:/.test(url)) return await (await import('./clickhouse/event-store.ts')).openClickHouseEventStore(url)
  throw new MillraceError(
    'CONFIG_INVALID',
    `EVENT_STORE_URL has the scheme "${url.split(':')[0]}"; this version knows duckdb:DIR/FILE and http(s)://user:password@host:8123/database`,
    { field: 'EVENT_STORE_URL' },
  )
}
