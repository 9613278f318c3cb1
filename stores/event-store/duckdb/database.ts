import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { createTurnstile } from '../turnstile.ts'
import { asFailure, isFatal } from './failure.ts'
import { CREATE_STAGING, prepareSchema } from './schema.ts'

/** Work that waits for the one writer, and for one of the readers, before more is refused. */
const WRITES_WAITING_MAX = 64
const READS_INSIDE_MAX = 4
const READS_WAITING_MAX = 256

/** Bounds DuckDB's caches, sorts and the identity index; what does not fit is spilled to `tmp` beside the file. */
const MEMORY_LIMIT = '768MB'
const THREADS = '2'
/** How much log is kept before a checkpoint: bounds both the replay after a kill and how often the index is rewritten. */
const CHECKPOINT_THRESHOLD = '64MB'

/** One DuckDB file: a single serialised writer, and readers that each see the snapshot of their beginning. */
export interface Database extends AsyncDisposable {
  /** Runs `work` on the writer's connection; what it throws is mapped and its transaction rolled back. */
  write<T>(what: string, signal: AbortSignal, work: (connection: DuckDBConnection) => Promise<T>): Promise<T>
  /** Runs `work` in one read transaction of its own. */
  read<T>(what: string, signal: AbortSignal, work: (connection: DuckDBConnection) => Promise<T>): Promise<T>
  /** The same for results that are handed on while they are read; the transaction ends with the iteration. */
  stream<T>(
    what: string,
    signal: AbortSignal,
    work: (connection: DuckDBConnection) => AsyncIterable<T>,
  ): AsyncIterable<T>
}

interface Session {
  readonly instance: DuckDBInstance
  readonly writer: DuckDBConnection
  broken: boolean
}

export async function openDatabase(folder: string, file: string): Promise<Database> {
  const writers = createTurnstile('event store writer', { insideMax: 1, waitingMax: WRITES_WAITING_MAX })
  const readers = createTurnstile('event store reader', { insideMax: READS_INSIDE_MAX, waitingMax: READS_WAITING_MAX })
  let session = openSession(folder, file)
  await session

  /** The open session; after a fatal error a new one, in which DuckDB has replayed all that was committed. */
  async function current(): Promise<Session> {
    const opened = session
    const found = await opened.catch(() => null)
    if (found !== null && !found.broken) return found
    if (session === opened) {
      if (found !== null) closeSession(found)
      session = openSession(folder, file)
    }
    return session
  }

  async function guarded<T>(what: string, signal: AbortSignal, use: (opened: Session) => Promise<T>): Promise<T> {
    const opened = await current()
    try {
      return await use(opened)
    } catch (error) {
      if (isFatal(error)) opened.broken = true
      throw asFailure(error, what, file, signal)
    }
  }

  async function* stream<T>(
    what: string,
    signal: AbortSignal,
    work: (connection: DuckDBConnection) => AsyncIterable<T>,
  ): AsyncIterable<T> {
    using _place = await readers.enter(signal)
    const opened = await current()
    const connection = await opened.instance.connect()
    using _interrupt = interruptOn(signal, connection)
    try {
      await connection.run('BEGIN TRANSACTION READ ONLY')
      for await (const part of work(connection)) {
        signal.throwIfAborted()
        yield part
      }
    } catch (error) {
      if (isFatal(error)) opened.broken = true
      throw asFailure(error, what, file, signal)
    } finally {
      await rollBack(connection)
      connection.disconnectSync()
    }
  }

  return {
    async write(what, signal, work) {
      using _place = await writers.enter(signal)
      return await guarded(what, signal, async ({ writer }) => {
        using _interrupt = interruptOn(signal, writer)
        try {
          return await work(writer)
        } catch (error) {
          await rollBack(writer)
          throw error
        }
      })
    },
    async read(what, signal, work) {
      let result: { value: Awaited<ReturnType<typeof work>> } | null = null
      for await (const value of stream(what, signal, (connection) => once(work(connection)))) result = { value }
      if (result === null) throw asFailure(new Error('no result'), what, file, signal)
      return result.value
    },
    stream,
    async [Symbol.asyncDispose]() {
      await Promise.all([writers.close(), readers.close()])
      const opened = await session.catch(() => null)
      if (opened === null || opened.broken) return
      opened.broken = true
      await opened.writer.run('CHECKPOINT').catch(() => undefined)
      closeSession(opened)
    },
  }
}

async function* once<T>(value: Promise<T>): AsyncIterable<Awaited<T>> {
  yield await value
}

async function openSession(folder: string, file: string): Promise<Session> {
  try {
    const instance = await DuckDBInstance.create(file, {
      threads: THREADS,
      memory_limit: MEMORY_LIMIT,
      checkpoint_threshold: CHECKPOINT_THRESHOLD,
      temp_directory: join(folder, 'tmp'),
      autoinstall_known_extensions: 'false',
    })
    try {
      const writer = await instance.connect()
      await prepareSchema(writer, file)
      await writer.run(CREATE_STAGING)
      return { instance, writer, broken: false }
    } catch (error) {
      instance.closeSync()
      throw error
    }
  } catch (error) {
    throw asFailure(error, 'opening the event store', file, null)
  }
}

function closeSession(session: Session): void {
  session.writer.disconnectSync()
  session.instance.closeSync()
}

/** Without a transaction in progress, or with one that DuckDB has ended, there is nothing to roll back. */
async function rollBack(connection: DuckDBConnection): Promise<void> {
  await connection.run('ROLLBACK').catch(() => undefined)
}

function interruptOn(signal: AbortSignal, connection: DuckDBConnection): Disposable {
  const interrupt = () => connection.interrupt()
  signal.addEventListener('abort', interrupt, { once: true })
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', interrupt) }
}
