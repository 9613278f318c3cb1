import { MillraceError } from '../../schemas/errors.ts'
import { openEmbeddedLog } from './embedded/log.ts'
import type { EventLog } from './port.ts'

/**
 * Opens the log a URL names; the scheme chooses the adapter: `embedded:DIR`.
 * `now` is the log's clock in epoch milliseconds: it stamps records and drives retention.
 * @throws MillraceError CONFIG_INVALID for an unknown scheme, and what opening the folder throws.
 */
export async function openEventLog(url: string, options: { now: () => number }): Promise<EventLog> {
  const folder = /^embedded:(.+)$/.exec(url)?.[1]
  if (folder !== undefined) return openEmbeddedLog(folder, options)
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? 'no scheme'
  throw new MillraceError('CONFIG_INVALID', `LOG_URL has ${scheme}; this version knows embedded:DIR`, {
    field: 'LOG_URL',
  })
}
