import { readFileSync } from 'node:fs'
import { MillraceError } from '../../../schemas/errors.ts'

/** What USER_STATE_URL says of a Redis server. */
export interface RedisAddress {
  /** For the client, without our parameters. */
  readonly url: string
  /** For messages: host, port and database only, never who or with which password. */
  readonly shown: string
  /** First part of every key, so that several deployments share a server. */
  readonly prefix: string
  /** Certificate of the authority that signed the server's, for rediss:// with a private one. */
  readonly authority: Buffer | null
}

const DEFAULT_PREFIX = 'millrace'

/**
 * Reads `redis[s]://[[user]:password@]host[:port][/database][?prefix=NAME][&ca=FILE]`.
 * @throws MillraceError CONFIG_INVALID naming USER_STATE_URL, without its password.
 */
export function parseRedisAddress(text: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || url.hostname === '') throw invalid('is no redis://host:port')
  if (!/^(\/\d*)?$/.test(url.pathname)) throw invalid('names its database by a number: redis://host:port/0')
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'prefix' && name !== 'ca')
  if (unknown !== undefined) throw invalid(`has the parameter "${unknown}"; it may have prefix and ca`)
  const prefix = url.searchParams.get('prefix') ?? DEFAULT_PREFIX
  if (!/^[A-Za-z0-9_.:-]{1,64}$/.test(prefix)) {
    throw invalid('has a prefix other than 1 to 64 letters, digits and _ . : -')
  }
  const shown = `${url.protocol}//${url.host}${url.pathname}`
  const authority = readAuthority(url.searchParams.get('ca'))
  url.search = ''
  return { url: url.href, shown, prefix, authority }
}

function readAuthority(file: string | null): Buffer | null {
  if (file === null) return null
  try {
    return readFileSync(file)
  } catch (cause) {
    throw invalid(`names a certificate that cannot be read: ${file} (${(cause as NodeJS.ErrnoException).code})`, cause)
  }
}

function invalid(what: string, cause?: unknown): MillraceError {
  return new MillraceError('CONFIG_INVALID', `USER_STATE_URL ${what}`, { field: 'USER_STATE_URL', cause })
}
