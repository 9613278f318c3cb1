import { MillraceError } from '../../schemas/errors.ts'
import { openLmdbUserState } from './lmdb/user-state.ts'
import type { UserState } from './port.ts'

/**
 * Opens the user state a URL names; the scheme chooses the adapter: `lmdb:DIR`.
 * `listEntriesMax` bounds the cached lists; `now` (epoch milliseconds) ages them.
 * @throws MillraceError CONFIG_INVALID for an unknown scheme, and what opening the folder throws.
 */
export async function openUserState(
  url: string,
  options: { listEntriesMax: number; now: () => number },
): Promise<UserState> {
  const folder = /^lmdb:(.+)$/.exec(url)?.[1]
  if (folder !== undefined) return openLmdbUserState(folder, options)
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? 'no scheme'
  throw new MillraceError('CONFIG_INVALID', `USER_STATE_URL has ${scheme}; this version knows lmdb:DIR`, {
    field: 'USER_STATE_URL',
  })
}
