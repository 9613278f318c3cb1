import { randomBytes } from 'node:crypto'
import { createClient } from '@clickhouse/client'

export interface TemporaryDatabase extends AsyncDisposable {
  /** The server's URL with this database. */
  readonly url: string
  /** Runs a statement in it, past the adapter. */
  run(statement: string): Promise<void>
  /** The first column of a query's answer. */
  values(query: string): Promise<readonly unknown[]>
}

/** A database of a random name on the server of `serverUrl`, dropped on dispose. */
export async function temporaryDatabase(serverUrl: string): Promise<TemporaryDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  const admin = createClient({ url: withDatabase(serverUrl, 'default') })
  await admin.command({ query: `CREATE DATABASE ${name}` })
  const url = withDatabase(serverUrl, name)
  const client = createClient({ url })
  return {
    url,
    async run(statement) {
      await client.command({ query: statement })
    },
    async values(query) {
      const result = await client.query({ query, format: 'JSONCompactEachRow' })
      return (await result.json<unknown[]>()).map((row) => row[0])
    },
    async [Symbol.asyncDispose]() {
      await client.close()
      await admin.command({ query: `DROP DATABASE IF EXISTS ${name} SYNC` })
      await admin.close()
    },
  }
}

function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}
