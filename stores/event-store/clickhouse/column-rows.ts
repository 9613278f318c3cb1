import { createIdDictionary, isSame } from './id-dictionary.ts'
import type { RowStaging } from './row-staging.ts'

/** Begins every row, so that an error that the server writes into its answer half-way is not taken for data. */
const ROW_MARK = 0x4d6c5231
const MARK_BYTES = 4
const NUMBERS_BYTES = 16
const CHARACTERS_SHOWN = 300

/**
 * One query, because ClickHouse has no snapshot over several: dictionaries asked for beside the rows could lack ids of
 * events that came in between. So ids travel as text and are numbered here, from their bytes. Rows come in the order of
 * the sorting key, in which the server reads anyway; it sorts nothing and holds nothing back.
 */
export const columnsQuery = (bounded: boolean): string => `SELECT toUInt32(${ROW_MARK}), user_id, item_id,
    CAST(type, 'String'), toFloat64(timestamp), ifNull(value, nan)
  FROM events FINAL ${bounded ? "WHERE offset < {until:Map(String, UInt64)}[concat(topic, '/', toString(partition))]" : ''}
  ORDER BY user_id, event_id FORMAT RowBinary`

/** Reads the answer to a columns query into a staging, whatever the lengths of the pieces in which it comes. */
export interface RowReader {
  /** @throws Error with the server's words when the answer turns into an error. */
  take(piece: Buffer): void
  /** @throws Error when the answer ended within a row. */
  end(): void
  /** In byte order, as the rows come. */
  readonly users: readonly string[]
  /** In order of appearance. */
  readonly items: readonly string[]
  readonly types: readonly string[]
}

export function createRowReader(staging: RowStaging): RowReader {
  const users: string[] = []
  const items = createIdDictionary()
  const types = createIdDictionary()
  const field = { start: 0, end: 0 }
  let rest = Buffer.alloc(0)
  let user = Buffer.alloc(0)

  /** Finds the text with its length before it at `position`; false when it is not there whole. */
  function findText(bytes: Buffer, position: number): boolean {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      if (position >= bytes.length || shift > 28) return false
      const byte = bytes[position++] as number
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    field.start = position
    field.end = position + length
    return field.end <= bytes.length
  }

  /** Stages the row at `position`; returns where it ends, or `position` when it is not there whole. */
  function takeRow(bytes: Buffer, view: DataView, position: number): number {
    if (position + MARK_BYTES > bytes.length) return position
    if (view.getUint32(position, true) !== ROW_MARK) throw notRows(bytes, position)
    if (!findText(bytes, position + MARK_BYTES)) return position
    const [userStart, userEnd] = [field.start, field.end]
    if (!findText(bytes, userEnd)) return position
    const [itemStart, itemEnd] = [field.start, field.end]
    if (!findText(bytes, itemEnd)) return position
    const numbers = field.end
    if (numbers + NUMBERS_BYTES > bytes.length) return position
    if (users.length === 0 || !isSame(user, bytes, userStart, userEnd)) {
      user = Buffer.from(bytes.subarray(userStart, userEnd))
      users.push(user.toString())
    }
    staging.push(
      users.length - 1,
      items.indexOf(bytes, itemStart, itemEnd),
      types.indexOf(bytes, field.start, field.end),
      view.getFloat64(numbers, true),
      view.getFloat64(numbers + 8, true),
    )
    return numbers + NUMBERS_BYTES
  }

  return {
    take(piece) {
      const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      let position = 0
      for (;;) {
        const next = takeRow(bytes, view, position)
        if (next === position) break
        position = next
      }
      rest = Buffer.from(bytes.subarray(position))
    },
    end() {
      if (rest.length > 0) throw notRows(rest, 0)
    },
    ...{ users, items: items.ids, types: types.ids },
  }
}

function notRows(bytes: Buffer, position: number): Error {
  const text = bytes.toString('utf8', position, position + CHARACTERS_SHOWN)
  return new Error(`the answer broke off: ${text.replace(/[^\x20-\x7e]+/g, ' ').trim()}`)
}
