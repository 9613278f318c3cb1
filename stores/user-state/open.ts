import { MillraceError } from '../../schemas/errors.ts'
import type { UserState } from './port.ts'

// Only the adapter that is used is loaded: native modules and SDKs take a while.
/**
 * Opens the user state a URL names; the scheme chooses the adapter: `lmdb:DIR`, or
 * `redis://` and `rediss://` as redis/address.ts reads them.
 * `listEntriesMax` bounds the cached lists; `now` (epoch milliseconds) ages them; `warn` gets lines for the log.
 * @throws MillraceError CONFIG_INVALID for an unknown scheme, and what opening the folder or the connection throws.
 */
export async function openUserState(
  url: string,
  options: { listEntriesMax: number; now: () => number; warn?: (message: string) => void },
): Promise<UserState> {
  const folder = /^lmdb:(.+)$/.exec(url)?.[1]
  if (folder !== undefined) return await (await import('./lmdb/user-state.ts')).openLmdbUserState(folder, options)
  if (/^rediss?:/.test(url))
    return await (await import('./redis/user-state.ts')).openRedisUserState(url, { warn: () => {}, ...options })
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? 'no scheme'
  throw new MillraceError(
    'CONFIG_INVALID',
    `USER_STATE_URL has ${scheme}; this version knows lmdb:DIR, redis:// and rediss://`,
    {
      field: 'USER_STATE_URL',
    },
  )
}
