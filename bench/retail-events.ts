import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { MillraceError } from '../schemas/errors.ts'
import type { EventColumns } from '../schemas/event-columns.ts'
import { createIds } from './interaction-file.ts'

/** Reads `user,item,quantity,price,timestamp (seconds),...` with a header, gzip or not, as purchases; ascending in time. */
export function readRetailEvents(path: string): EventColumns {
  const bytes = readFileSync(path)
  const lines = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').split('\n').slice(1).filter(Boolean)
  const { length } = lines
  const [users, items] = [createIds(), createIds()]
  const columns: EventColumns = {
    ...{ users: users.ids, items: items.ids, types: ['purchase'], length },
    userIndex: new Int32Array(length),
    itemIndex: new Int32Array(length),
    typeIndex: new Uint8Array(length),
    timestamp: new Float64Array(length),
    value: new Float64Array(length),
  }
  for (const [event, line] of lines.entries()) {
    const [user = '', item = '', quantity, , seconds] = line.split(',')
    columns.userIndex[event] = users.place(user)
    columns.itemIndex[event] = items.place(item)
    columns.value[event] = Number(quantity)
    columns.timestamp[event] = Number(seconds) * 1_000
    if (!(columns.timestamp[event] >= (columns.timestamp[event - 1] ?? 0))) {
      throw new MillraceError(
        'INVALID_INPUT_FILE',
        `${path} line ${event + 2} is not later than the one before: ${line}`,
      )
    }
  }
  return columns
}
