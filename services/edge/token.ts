import { createHash } from 'node:crypto'
import { MillraceError } from '../../schemas/errors.ts'
import type { Position } from '../../streams/event-log/port.ts'

const VERSION = 1
const CHECKSUM_LENGTH = 8
/** Longest token that is looked at: 1,024 partitions with 16-digit offsets. */
export const TOKEN_LENGTH_MAX = 32_768

/**
 * A read-your-writes token: the highest offset per partition that a write touched, bound to one log.
 * base64url of `version|log id|partition:offset,...|checksum`. The checksum finds damage, it is no signature: a forged
 * token can only make its own reader wait.
 */
export function encodeToken(logId: string, positions: readonly Position[]): string {
  const highest = new Map<number, number>()
  for (const { partition, offset } of positions) {
    highest.set(partition, Math.max(offset, highest.get(partition) ?? -1))
  }
  const body = [VERSION, encodeURIComponent(logId), [...highest].map((entry) => entry.join(':')).join(',')].join('|')
  return Buffer.from(`${body}|${checksumOf(body)}`).toString('base64url')
}

/**
 * What user state must have applied before a read with this token: next offsets by `topic/partition`.
 * @throws MillraceError INVALID_TOKEN for anything that `encodeToken` did not make for this log.
 */
export function decodeToken(token: string, logId: string, topic: string): ReadonlyMap<string, number> {
  const bytes = Buffer.from(token, 'base64url')
  const text = bytes.toString('latin1')
  const end = text.lastIndexOf('|')
  const body = text.slice(0, Math.max(0, end))
  const [version, tokenLogId, list = ''] = body.split('|')
  const canonical = bytes.toString('base64url') === token
  if (!canonical || token.length > TOKEN_LENGTH_MAX || end < 0 || text.slice(end + 1) !== checksumOf(body)) {
    throw refused('the token is malformed; send one exactly as POST /api/v1/events returned it')
  }
  if (version !== String(VERSION)) throw refused(`the token has version ${version}; this server reads ${VERSION}`)
  if (tokenLogId !== encodeURIComponent(logId)) throw refused('the token belongs to another event log')
  return new Map(list.split(',').map((entry) => nextOffset(entry, topic)))
}

function nextOffset(entry: string, topic: string): [string, number] {
  const found = /^(\d{1,6}):(\d{1,16})$/.exec(entry)
  const next = Number(found?.[2]) + 1
  if (!found || !Number.isSafeInteger(next)) throw refused('the token names no position')
  return [`${topic}/${found[1]}`, next]
}

function checksumOf(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, CHECKSUM_LENGTH)
}

function refused(message: string): MillraceError {
  return new MillraceError('INVALID_TOKEN', message, { field: 'after' })
}
