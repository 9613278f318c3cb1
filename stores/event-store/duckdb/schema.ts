import type { DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../../../schemas/errors.ts'

/** Raised with every change of the tables below; an unknown one is refused. */
export const EVENT_STORE_VERSION = 1

const COLUMNS = `
  user_id VARCHAR NOT NULL,
  event_id VARCHAR NOT NULL,
  item_id VARCHAR NOT NULL,
  type VARCHAR NOT NULL,
  operation VARCHAR NOT NULL,
  "timestamp" BIGINT NOT NULL,
  "value" DOUBLE,
  request_id VARCHAR,
  context VARCHAR,
  topic VARCHAR NOT NULL,
  "partition" INTEGER NOT NULL,
  "offset" BIGINT NOT NULL,
  appended_at BIGINT NOT NULL`

/**
 * `identity` stands for (user id, event id): 48 bits of the user's MD5 followed by 80 bits of the pair's, which is
 * unambiguous because ids hold no space. As a primary key it takes a third of the memory and half the time of the two
 * strings (bench/event-store.ts), keeps a user's keys together in the index, and two identities of one user collide with
 * probability n^2 / 2^81: 4e-13 for a user of a million events. Another user's event cannot be hit on purpose either:
 * that takes a second preimage of 48 bits and of 80 bits at once.
 */
const TABLES = `
  CREATE TABLE events (identity UHUGEINT PRIMARY KEY, ${COLUMNS});
  CREATE TABLE positions (topic VARCHAR, "partition" INTEGER, next_offset BIGINT NOT NULL, PRIMARY KEY (topic, "partition"));
  CREATE TABLE format (version INTEGER NOT NULL);
  INSERT INTO format VALUES (${EVENT_STORE_VERSION});`

/** One batch waits here, for its writer alone. Numbers arrive as DOUBLE: exact below 2^53 and quicker to hand over. */
export const CREATE_STAGING = `CREATE TEMP TABLE staging (
  user_id VARCHAR, event_id VARCHAR, item_id VARCHAR, type VARCHAR, operation VARCHAR, "timestamp" DOUBLE, "value" DOUBLE,
  request_id VARCHAR, context VARCHAR, topic VARCHAR, "partition" INTEGER, "offset" DOUBLE, appended_at DOUBLE)`

/** Creates the tables of a new file in one transaction, or checks an old one's version. */
export async function prepareSchema(connection: DuckDBConnection, file: string): Promise<void> {
  const found = await connection.runAndReadAll(
    `SELECT table_name FROM information_schema.tables WHERE table_name IN ('events', 'format')`,
  )
  const names = found.getRowsJS().map(([name]) => name)
  if (names.length === 0) {
    await connection.run(`BEGIN; ${TABLES} COMMIT;`)
    return
  }
  const version = names.includes('format')
    ? (await connection.runAndReadAll('SELECT max(version) FROM format')).getRowsJS()[0]?.[0]
    : null
  if (version !== EVENT_STORE_VERSION) {
    throw new MillraceError(
      'UNKNOWN_FORMAT',
      `${file} holds event tables of version ${version ?? 'unknown'} but this version of Millrace reads ${EVENT_STORE_VERSION}; nothing was changed`,
      { field: file },
    )
  }
}
