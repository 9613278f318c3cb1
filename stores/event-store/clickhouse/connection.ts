import type { Readable } from 'node:stream'
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client'
import { createTurnstile } from '../turnstile.ts'
import { type ClickHouseAddress, invalid } from './address.ts'
import { asFailure } from './failure.ts'

const INSERTS_INSIDE_MAX = 4
const INSERTS_WAITING_MAX = 64
const READS_INSIDE_MAX = 6
const READS_WAITING_MAX = 256
/** A silent server is given up after this; `request_timeout=MS` in the URL overrides it. */
const REQUEST_TIMEOUT_MS = 60_000
/** How long the answer to an insert on its way is awaited after an abort. */
const ABORT_GRACE_MS = 5_000
/** Sockets idle for longer are not used again: below the 3 s after which older servers close theirs. */
const IDLE_SOCKET_TTL_MS = 2_500

/**
 * A server stops reading for whoever has gone away, numbers arrive as numbers (all are below 2^53), and whatever limit the
 * URL or the user's profile sets, an answer that exceeds it is an error and never a shorter answer.
 */
const READ_SETTINGS: ClickHouseSettings = {
  cancel_http_readonly_queries_on_client_close: 1,
  output_format_json_quote_64bit_integers: 0,
  read_overflow_mode: 'throw',
  result_overflow_mode: 'throw',
  timeout_overflow_mode: 'throw',
  group_by_overflow_mode: 'throw',
  sort_overflow_mode: 'throw',
}

export type QueryParameters = Readonly<Record<string, unknown>>

export interface InsertBody {
  /** INSERT INTO ... FORMAT ... */
  readonly query: string
  /** Bytes in that format. */
  readonly rows: Readable
  readonly settings: ClickHouseSettings
}

/**
 * One database of one server: bounded calls at a time, errors mapped. Connections are made as they are needed, so a server
 * that was away is found again by itself.
 */
export interface ClickHouseConnection extends AsyncDisposable {
  /**
   * Waits for a place among the writers and sends what `prepare` makes. An abort stops it until then; the answer to rows
   * on their way is still awaited for a while, because they cannot be called back.
   */
  insert(what: string, signal: AbortSignal, prepare: () => Promise<InsertBody>): Promise<void>
  /** All rows of a short answer as arrays; an error of the server while it computes them is thrown, not cut off. */
  rows(what: string, signal: AbortSignal, query: string, parameters?: QueryParameters): Promise<readonly unknown[][]>
  /** The same in pieces of some hundred rows as they come; given up, the request is too. */
  pieces(
    what: string,
    signal: AbortSignal,
    query: string,
    parameters: QueryParameters,
  ): AsyncIterable<readonly unknown[][]>
  /** Runs `use` over the bytes of a long answer as they come. */
  bytes<T>(
    what: string,
    signal: AbortSignal,
    query: { readonly text: string; readonly parameters: QueryParameters },
    use: (bytes: Readable) => Promise<T>,
  ): Promise<T>
  /** A statement without rows. */
  command(what: string, signal: AbortSignal, query: string): Promise<void>
}

/** @throws MillraceError CONFIG_INVALID for parameters that the client does not know. Nothing is sent yet. */
export function connectClickHouse(address: ClickHouseAddress): ClickHouseConnection {
  const client = clientOf(address)
  const inserts = createTurnstile('event store inserts', {
    insideMax: INSERTS_INSIDE_MAX,
    waitingMax: INSERTS_WAITING_MAX,
  })
  const reads = createTurnstile('event store reads', { insideMax: READS_INSIDE_MAX, waitingMax: READS_WAITING_MAX })
  const failure = (error: unknown, what: string, signal: AbortSignal) => asFailure(error, what, address.shown, signal)

  async function* pieces(what: string, signal: AbortSignal, query: string, parameters: QueryParameters) {
    using _place = await reads.enter(signal)
    try {
      const result = await client.query({
        ...{ query, query_params: { ...parameters }, format: 'JSONCompactEachRow' as const, abort_signal: signal },
        clickhouse_settings: { ...READ_SETTINGS, wait_end_of_query: 1 },
      })
      const stream = result.stream<unknown[]>()
      try {
        for await (const piece of stream) yield piece.map((row) => row.json<unknown[]>())
      } finally {
        stream.destroy()
      }
    } catch (error) {
      throw failure(error, what, signal)
    }
  }

  return {
    async insert(what, signal, prepare) {
      using _place = await inserts.enter(signal)
      try {
        const { query, rows, settings } = await prepare()
        signal.throwIfAborted()
        using given = delayedAbort(signal, ABORT_GRACE_MS)
        const { stream } = await client.exec({
          ...{ query, values: rows, clickhouse_settings: settings, abort_signal: given.signal },
        })
        let answer = ''
        for await (const text of stream) answer += text
        if (answer !== '') throw new Error(answer)
      } catch (error) {
        throw failure(error, what, signal)
      }
    },
    async rows(what, signal, query, parameters = {}) {
      const rows: unknown[][] = []
      for await (const piece of pieces(what, signal, query, parameters)) for (const row of piece) rows.push(row)
      return rows
    },
    pieces,
    async bytes(what, signal, query, use) {
      using _place = await reads.enter(signal)
      try {
        const { stream } = await client.exec({
          ...{ query: query.text, query_params: { ...query.parameters } },
          ...{ abort_signal: signal, clickhouse_settings: READ_SETTINGS },
        })
        try {
          return await use(stream)
        } finally {
          stream.destroy()
        }
      } catch (error) {
        throw failure(error, what, signal)
      }
    },
    async command(what, signal, query) {
      try {
        await client.command({ query, abort_signal: signal })
      } catch (error) {
        throw failure(error, what, signal)
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([inserts.close(), reads.close()])
      await client.close()
    },
  }
}

function clientOf({ url, database, shown }: ClickHouseAddress): ClickHouseClient {
  const withDefaults = new URL(url)
  if (!withDefaults.searchParams.has('request_timeout'))
    withDefaults.searchParams.set('request_timeout', String(REQUEST_TIMEOUT_MS))
  try {
    return createClient({
      ...{ url: withDefaults, database, application: 'millrace', log: { level: ClickHouseLogLevel.OFF } },
      max_open_connections: INSERTS_INSIDE_MAX + READS_INSIDE_MAX,
      keep_alive: { idle_socket_ttl: IDLE_SOCKET_TTL_MS, eagerly_destroy_stale_sockets: true },
      // A body that was cut off does not unpack: the server then stores nothing, wherever the cut was.
      compression: { request: { codec: 'gzip', level: 1 }, response: false },
    })
  } catch (error) {
    throw invalid(`(${shown}) is not usable: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** A signal that aborts `delayMs` after `signal` does. */
function delayedAbort(signal: AbortSignal, delayMs: number): Disposable & { readonly signal: AbortSignal } {
  const later = new AbortController()
  let timer: NodeJS.Timeout | null = null
  const begin = () => {
    timer = setTimeout(() => later.abort(signal.reason), delayMs)
  }
  signal.addEventListener('abort', begin, { once: true })
  return {
    signal: later.signal,
    [Symbol.dispose]() {
      signal.removeEventListener('abort', begin)
      if (timer !== null) clearTimeout(timer)
    },
  }
}
