import { MillraceError } from '../../schemas/errors.ts'
import type { EventLog } from './port.ts'

// Only the adapter that is used is loaded: native modules and clients take a while.
/**
 * Opens the log a URL names; the scheme chooses the adapter: `embedded:DIR`, or
 * `kafka://[user:password@]host:port,host:port[?parameters]` (kafka/address.ts lists them).
 * `now` is the embedded log's clock in epoch milliseconds: it stamps records and drives retention; Kafka has its own.
 * @throws MillraceError CONFIG_INVALID for an unknown scheme, and what opening the folder or reaching the brokers throws.
 */
export async function openEventLog(url: string, options: { now: () => number }): Promise<EventLog> {
  const folder = /^embedded:(.+)$/.exec(url)?.[1]
  if (folder !== undefined) return await (await import('./embedded/log.ts')).openEmbeddedLog(folder, options)
  if (url.startsWith('kafka:')) return await (await import('./kafka/log.ts')).openKafkaLog(url)
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? 'no scheme'
  throw new MillraceError('CONFIG_INVALID', `LOG_URL has ${scheme}; possible are embedded:DIR and kafka://host:port`, {
    field: 'LOG_URL',
  })
}
