import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { MillraceError } from '../schemas/errors.ts'
import { type FileLayout, fieldsOf, layoutOf } from './file-layout.ts'

const PIECE_BYTES = 1 << 16

/** Pairs of a file in its order: places in `users` and `items` (ids in order of appearance), weights, times. */
export interface Pairs {
  readonly users: readonly string[]
  readonly items: readonly string[]
  readonly userAt: Int32Array<ArrayBuffer>
  readonly itemAt: Int32Array<ArrayBuffer>
  readonly weights: Float32Array<ArrayBuffer>
  /** As the file counts them (dates: milliseconds); null where it has none or none were asked for. */
  readonly timestamps: Float64Array | null
}

/**
 * Reads `user,item[,weight[,timestamp]]` (header optional; also with tabs, semicolons or `::` between the fields; quotes
 * around a field are taken off) or one line per user `user item item ...`, told apart by the first lines; gzip where the
 * name ends in .gz. A missing weight is 1; timestamps (numbers or dates, in every line or in none) are read when asked for.
 * Throws INVALID_INPUT_FILE naming the line; a weight must be finite and not zero, as float32 too.
 */
export async function readInteractionFile(path: string, options: { timestamps?: boolean } = {}): Promise<Pairs> {
  const users = createIds()
  const items = createIds()
  const columns = createColumns()
  const times = options.timestamps === true ? createTimes(path) : null
  let number = 0
  let layout: FileLayout | null = null
  const addUser = (line: string): void => {
    const [user, ...liked] = line.trim().split(/\s+/)
    const at = users.place(user!)
    for (const item of liked) columns.push(at, items.place(item), 1)
  }
  const addRow = (line: string, separator: string): void => {
    const fields = fieldsOf(line, separator)
    const [user, item] = [fields[0]!, fields[1] ?? '']
    const weight = fields[2] === undefined || fields[2] === '' ? 1 : Number(fields[2])
    const stored = Math.fround(weight)
    if (user === '' || item === '' || !Number.isFinite(stored) || stored === 0) {
      const message = `${path} line ${number} is not user,item[,weight[,timestamp]] with a weight that is finite and not zero`
      throw new MillraceError('INVALID_INPUT_FILE', `${message}: ${line.slice(0, 80)}`, { field: path })
    }
    columns.push(users.place(user), items.place(item), weight)
    times?.push(fields[3] ?? '', number)
  }
  for await (const lines of linesOf(path)) {
    layout ??= layoutOf(lines)
    for (const line of lines) {
      number++
      if (line.trim() === '') continue
      if (layout?.header) layout = { ...layout, header: false }
      else if (layout === null || layout.separator === null) addUser(line)
      else addRow(line, layout.separator)
    }
  }
  return { users: users.ids, items: items.ids, ...columns.finish(), timestamps: times?.finish() ?? null }
}

/**
 * Lines in pieces: an asynchronous turn per line would cost more than reading it, and lines of a larger piece would live
 * long enough to be kept among the old ones.
 */
async function* linesOf(path: string): AsyncGenerator<string[]> {
  const file = createReadStream(path, { highWaterMark: PIECE_BYTES })
  const input = path.endsWith('.gz') ? file.pipe(createGunzip({ chunkSize: PIECE_BYTES })) : file
  file.once('error', (error) => input.destroy(error))
  try {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const piece of input) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
      rest = lines.pop()!
      yield lines
    }
    yield [rest]
  } catch (cause) {
    throw new MillraceError('INVALID_INPUT_FILE', `${path} cannot be read`, { field: path, cause })
  }
}

/** Numbers ids in the order they are first seen. */
export function createIds(): { readonly ids: string[]; place(id: string): number } {
  const places = new Map<string, number>()
  const ids: string[] = []
  return {
    ids,
    place(id) {
      const known = places.get(id)
      if (known !== undefined) return known
      places.set(id, ids.length)
      return ids.push(id) - 1
    },
  }
}

/** All lines have a time or none has. */
function createTimes(path: string) {
  const times: number[] = []
  let missing = 0
  return {
    push(field: string, line: number): void {
      const text = field.trim().replace(/^"(.*)"$/, '$1')
      const time = text === '' ? Number.NaN : Number.isNaN(Number(text)) ? Date.parse(text) : Number(text)
      if (text === '') missing++
      const problem =
        text !== '' && !Number.isFinite(time)
          ? `the timestamp ${text.slice(0, 40)}, which is no number and no date`
          : missing > 0 && missing <= times.length
            ? `${text === '' ? 'no timestamp' : 'a timestamp'}, unlike the lines before it`
            : null
      if (problem !== null) {
        throw new MillraceError('INVALID_INPUT_FILE', `${path} line ${line} has ${problem}`, { field: path })
      }
      times.push(time)
    },
    finish: () => (missing > 0 || times.length === 0 ? null : Float64Array.from(times)),
  }
}

/** Columns that grow by a quarter, one after the other, so that no old memory waits to be collected. */
function createColumns() {
  let size = 0
  let userAt = new Int32Array(1 << 16)
  let itemAt = new Int32Array(1 << 16)
  let weights = new Float32Array(1 << 16)
  return {
    push(user: number, item: number, weight: number): void {
      if (size === userAt.length) {
        const bytes = Math.ceil(size * 1.25) * 4
        userAt = new Int32Array(userAt.buffer.transfer(bytes))
        itemAt = new Int32Array(itemAt.buffer.transfer(bytes))
        weights = new Float32Array(weights.buffer.transfer(bytes))
      }
      userAt[size] = user
      itemAt[size] = item
      weights[size++] = weight
    },
    finish: () => ({
      userAt: userAt.subarray(0, size),
      itemAt: itemAt.subarray(0, size),
      weights: weights.subarray(0, size),
    }),
  }
}
