import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClickHouseError } from '@clickhouse/client'
import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import type { ClickHouseConnection } from './connection.ts'

const FOLDER = new URL('./migrations/', import.meta.url)
const ATTEMPTS_MAX = 5
const RETRY_DELAY_MS = 200
/** Two starters that create or alter the same table in the same moment: one of them is told so and looks again. */
const COLLISIONS = new Set(['57', '60', '473', '517'])

/** Applied rows may come twice, from two starters at once; the first one's stays. */
const CREATE_MIGRATIONS = `CREATE TABLE IF NOT EXISTS migrations
  (version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3),
   precedence UInt64 DEFAULT 18446744073709551615 - toUInt64(toUnixTimestamp64Nano(now64(9))))
  ENGINE = ReplacingMergeTree(precedence) ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`

export interface Migration {
  readonly version: number
  readonly name: string
  /** Of the statements without comments and spacing. */
  readonly checksum: string
  readonly statements: readonly string[]
}

/** The files of migrations/ in order: `NNNN-name.sql`, statements ended by a semicolon at the end of a line. */
export async function readMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.sql')).sort()
  return await Promise.all(
    names.map(async (name) => {
      const text = (await readFile(new URL(name, FOLDER), 'utf8')).replace(/^\s*--.*$/gm, '')
      const statements = text.split(/;[ \t]*$/m).flatMap((statement) => statement.trim() || [])
      const checksum = createHash('sha256').update(text.replace(/\s+/g, ' ').trim()).digest('hex')
      return { version: Number(name.split('-')[0]), name, checksum, statements }
    }),
  )
}

/**
 * Brings the database's tables up to date: each migration once, in order, recorded when done.
 *
 * ClickHouse has neither transactions over tables nor locks, and a starter may die between a statement and its record. So
 * every statement can be repeated without effect (IF NOT EXISTS), which makes starters at the same moment harmless too.
 * @throws MillraceError UNKNOWN_FORMAT when the database was migrated by a newer version or by other files.
 */
export async function migrate(connection: ClickHouseConnection, shown: string, signal: AbortSignal): Promise<void> {
  const migrations = await readMigrations()
  await withCollisionsRetried(signal, () => connection.command('creating migrations', signal, CREATE_MIGRATIONS))
  const applied = await connection.rows(
    ...([
      'reading migrations',
      signal,
      'SELECT version, name, checksum FROM migrations FINAL ORDER BY version',
    ] as const),
  )
  const known = new Map(migrations.map((migration) => [migration.version, migration]))
  for (const [version, name, checksum] of applied)
    if (known.get(version as number)?.checksum !== checksum) throw unknownFormat(shown, name as string)
  for (const migration of migrations.slice(applied.length)) {
    const what = `migration ${migration.name}`
    for (const statement of migration.statements)
      await withCollisionsRetried(signal, () => connection.command(what, signal, statement))
    const { version, name, checksum } = migration
    await connection.command(
      ...([
        what,
        signal,
        `INSERT INTO migrations (version, name, checksum) VALUES (${version}, '${name}', '${checksum}')`,
      ] as const),
    )
  }
}

/** Makes the table keep events for `days` after their append, where it does not do so already. */
export async function applyRetention(
  connection: ClickHouseConnection,
  days: number,
  signal: AbortSignal,
): Promise<void> {
  const what = 'setting the retention'
  const found = await connection.rows(
    ...([
      what,
      signal,
      `SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'events'`,
    ] as const),
  )
  if (String(found[0]?.[0]).includes(`toIntervalDay(${days})`)) return
  await withCollisionsRetried(signal, () =>
    connection.command(
      what,
      signal,
      `ALTER TABLE events MODIFY TTL toDateTime(intDiv(appended_at, 1000)) + toIntervalDay(${days})
        SETTINGS materialize_ttl_after_modify = 0`,
    ),
  )
}

async function withCollisionsRetried(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !isCollision(error)) throw error
      await sleep(RETRY_DELAY_MS, undefined, { signal })
    }
  }
}

function isCollision(error: unknown): boolean {
  return isMillraceError(error) && error.cause instanceof ClickHouseError && COLLISIONS.has(error.cause.code)
}

function unknownFormat(shown: string, name: string): MillraceError {
  return new MillraceError(
    'UNKNOWN_FORMAT',
    `${shown} carries the migration ${name}, which this version of Millrace does not have or has otherwise; nothing was changed`,
    { field: 'EVENT_STORE_URL' },
  )
}
