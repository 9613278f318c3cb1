import { isMillraceError } from '../../../schemas/errors.ts'
import type { RedisConnection } from './connection.ts'

/** Tells of server settings that break what user state promises; each line names the setting and what to set. */
export async function checkServer(connection: RedisConnection, shown: string): Promise<string[]> {
  const settings = await readSettings(connection)
  if (settings === null) {
    const what = 'does not show its settings: make sure of maxmemory-policy noeviction or volatile-ttl'
    return [`USER_STATE_URL ${shown} ${what}, appendonly yes and appendfsync everysec`]
  }
  const warnings: string[] = []
  const warn = (what: string) => warnings.push(`USER_STATE_URL ${shown} has ${what}`)
  const policy = settings['maxmemory-policy'] ?? 'unknown'
  if (!policy.startsWith('volatile-') && policy !== 'noeviction') {
    warn(`maxmemory-policy ${policy}, which throws users away when memory runs out; set maxmemory-policy volatile-ttl`)
  }
  if (settings.appendonly !== 'yes') {
    warn('appendonly no: a restart loses every user, and all are rebuilt from the event store; set appendonly yes')
  } else if (settings.appendfsync === 'no') {
    warn('appendfsync no: a power loss may lose half a minute of updates; set appendfsync everysec')
  }
  return warnings
}

async function readSettings(connection: RedisConnection): Promise<Record<string, string> | null> {
  const settings: Record<string, string> = {}
  for (const name of ['maxmemory-policy', 'appendonly', 'appendfsync']) {
    try {
      Object.assign(settings, await connection.send(['CONFIG', 'GET', name]))
    } catch (error) {
      if (!isMillraceError(error, 'STATE_UNAVAILABLE') || !connection.ready) throw error
      return null
    }
  }
  return settings
}
