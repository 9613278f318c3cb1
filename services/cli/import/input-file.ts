import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { parse } from 'csv-parse'
import { MillraceError } from '../../../schemas/errors.ts'

export type InputFormat = 'csv' | 'ndjson'

/** A file that was read once from end to end: its identity, and how many lines there are. */
export interface InputFile {
  readonly path: string
  readonly format: InputFormat
  readonly gzipped: boolean
  /** First 16 hex digits of the SHA-256 of the raw bytes. */
  readonly hash: string
  /** Lines of text: rows plus the header, an upper bound where quoted fields span lines. */
  readonly lines: number
}

/** One row by column name, with its 1-based line in the file for messages. */
export interface InputRow {
  /** 0-based count of data rows: the second half of an imported event's id. */
  readonly row: number
  readonly line: number
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * Reads the whole file once, so that a truncated archive is refused before anything is stored.
 * @throws MillraceError INVALID_INPUT_FILE naming file and reason.
 */
export async function inspectInputFile(path: string, format: InputFormat | null): Promise<InputFile> {
  const name = path.replace(/\.gz$/, '')
  const known: InputFormat = format ?? (/\.(ndjson|jsonl)$/.test(name) ? 'ndjson' : 'csv')
  const gzipped = path.endsWith('.gz')
  const hash = createHash('sha256')
  let lines = 0
  let lastByte = 10
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  const counting = async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) {
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines++
      lastByte = chunk.at(-1) ?? lastByte
    }
  }
  try {
    if (gzipped) await pipeline(createReadStream(path), hashing, createGunzip(), counting)
    else await pipeline(createReadStream(path), hashing, counting)
  } catch (cause) {
    throw unreadable(path, cause)
  }
  return {
    path,
    format: known,
    gzipped,
    hash: hash.digest('hex').slice(0, 16),
    lines: lines + (lastByte === 10 ? 0 : 1),
  }
}

/**
 * Yields rows in file order. CSV columns are named by the header line.
 * @throws MillraceError INVALID_INPUT_FILE for a broken line (named) or a missing header.
 */
export async function* readRows(file: InputFile): AsyncGenerator<InputRow> {
  const raw = createReadStream(file.path, { highWaterMark: 1 << 18 })
  const text: Readable = file.gzipped ? raw.pipe(createGunzip()) : raw
  if (file.gzipped) raw.on('error', (error) => text.destroy(error))
  try {
    yield* file.format === 'csv' ? csvRows(text) : ndjsonRows(text, file.path)
  } catch (cause) {
    throw cause instanceof MillraceError ? cause : unreadable(file.path, cause)
  } finally {
    raw.destroy()
    text.destroy()
  }
}

/** The column names of a CSV header, or the keys of the first NDJSON row; empty for an empty file. */
export async function readColumns(file: InputFile): Promise<readonly string[]> {
  for await (const { fields } of readRows(file)) return Object.keys(fields)
  return []
}

async function* csvRows(text: Readable): AsyncGenerator<InputRow> {
  const parser = text.pipe(parse({ bom: true, columns: true, skip_empty_lines: true, info: true }))
  text.on('error', (error) => parser.destroy(error))
  let row = 0
  for await (const { record, info } of parser) yield { row: row++, line: info.lines, fields: record }
}

async function* ndjsonRows(text: Readable, path: string): AsyncGenerator<InputRow> {
  let [row, line, rest] = [0, 0, '']
  const decoder = new TextDecoder()
  const parseLine = (source: string): InputRow => {
    try {
      const fields: unknown = JSON.parse(source)
      if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) {
        return { row: row++, line, fields: fields as Record<string, unknown> }
      }
    } catch (cause) {
      throw new MillraceError('INVALID_INPUT_FILE', `${path} line ${line}: ${(cause as Error).message}`, {
        cause,
        field: path,
      })
    }
    throw new MillraceError('INVALID_INPUT_FILE', `${path} line ${line} is not a JSON object`, { field: path })
  }
  for await (const chunk of text) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const source of lines) {
      line++
      if (source.trim()) yield parseLine(source)
    }
  }
  line++
  if (rest.trim()) yield parseLine(rest)
}

function unreadable(path: string, cause: unknown): MillraceError {
  const error = cause as NodeJS.ErrnoException
  const reasons: Record<string, string> = {
    ENOENT: 'does not exist',
    EISDIR: 'is a folder',
    EACCES: 'may not be read',
    Z_BUF_ERROR: 'is a truncated gzip archive',
    Z_DATA_ERROR: 'is not an intact gzip archive',
  }
  const reason = reasons[error.code ?? ''] ?? `cannot be read: ${error.message}`
  return new MillraceError('INVALID_INPUT_FILE', `file ${path} ${reason}; nothing of it was imported from here on`, {
    cause,
    field: path,
  })
}
