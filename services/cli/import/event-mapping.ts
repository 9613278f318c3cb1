import { MillraceError } from '../../../schemas/errors.ts'
import { isId } from '../../../schemas/identifiers.ts'
import type { InteractionInput } from '../../../schemas/interaction.ts'
import type { InputRow } from './input-file.ts'

/** Which column holds what. `eventType` is used for rows without a `type` column. */
export interface EventMapping {
  readonly user: string
  readonly item: string
  readonly timestamp: string | null
  readonly type: string | null
  readonly eventType: string
  readonly value: string | null
  /** Column of the event's own id; without one it is `fileHash:row`. */
  readonly eventId: string | null
  readonly title: string | null
  readonly categories: string | null
}

export type MappedEvent = { readonly event: InteractionInput } | { readonly rejected: string }

const GUESSES = {
  user: ['user', 'userId', 'user_id', 'visitorid', 'customer', 'customerId'],
  item: ['item', 'itemId', 'item_id', 'itemid', 'product', 'productId'],
  timestamp: ['timestamp', 'time', 'ts', 'date', 'datetime'],
  type: ['type', 'event', 'eventType', 'event_type'],
  value: ['value', 'rating', 'quantity'],
} as const

/**
 * Settles the mapping: what the caller named must exist; the rest is guessed from common column names.
 * @throws MillraceError INVALID_INPUT_FILE naming the column that is missing and those that exist.
 */
export function settleMapping(path: string, columns: readonly string[], asked: Partial<EventMapping>): EventMapping {
  const settle = (role: string, guesses: readonly string[], required: boolean): string | null => {
    const named = (asked as Record<string, string | null | undefined>)[role]
    if (named) return requireColumn(path, columns, named)
    const found = guesses.find((guess) => columns.includes(guess)) ?? null
    if (!found && required) {
      throw new MillraceError(
        'INVALID_INPUT_FILE',
        `file ${path} has no ${role} column (columns: ${columns.join(', ') || 'none'}); name it with --${role} COLUMN`,
        { field: role },
      )
    }
    return found
  }
  return {
    user: settle('user', GUESSES.user, true) as string,
    item: settle('item', GUESSES.item, true) as string,
    timestamp: settle('timestamp', GUESSES.timestamp, false),
    type: asked.type || !asked.eventType ? settle('type', GUESSES.type, false) : null,
    eventType: asked.eventType || 'view',
    value: settle('value', asked.value === undefined ? GUESSES.value : [], false),
    eventId: settle('eventId', [], false),
    title: settle('title', [], false),
    categories: settle('categories', [], false),
  }
}

export function requireColumn(path: string, columns: readonly string[], name: string): string {
  if (columns.includes(name)) return name
  throw new MillraceError(
    'INVALID_INPUT_FILE',
    `file ${path} has no column "${name}" (columns: ${columns.join(', ') || 'none'})`,
    {
      field: name,
    },
  )
}

/** One row as an event. A row that cannot be one is answered with its reason. */
export function mapEvent(row: InputRow, mapping: EventMapping, fileHash: string): MappedEvent {
  const userId = textOf(row.fields[mapping.user])
  const itemId = textOf(row.fields[mapping.item])
  if (!isId(userId)) return { rejected: `line ${row.line}: ${mapping.user} "${userId}" is not an id` }
  if (!isId(itemId)) return { rejected: `line ${row.line}: ${mapping.item} "${itemId}" is not an id` }
  const timestamp = mapping.timestamp === null ? undefined : parseTime(row.fields[mapping.timestamp])
  if (timestamp === null) {
    return {
      rejected: `line ${row.line}: ${mapping.timestamp} "${textOf(row.fields[mapping.timestamp as string])}" is not a time`,
    }
  }
  const valueText = mapping.value === null ? '' : textOf(row.fields[mapping.value])
  const value = Number(valueText)
  if (valueText !== '' && !Number.isFinite(value)) {
    return { rejected: `line ${row.line}: ${mapping.value} "${valueText}" is not a finite number` }
  }
  const eventId = mapping.eventId === null ? `${fileHash}:${row.row}` : textOf(row.fields[mapping.eventId])
  if (!isId(eventId)) return { rejected: `line ${row.line}: ${mapping.eventId} "${eventId}" is not an id` }
  return {
    event: {
      eventId,
      userId,
      itemId,
      type: (mapping.type && textOf(row.fields[mapping.type])) || mapping.eventType,
      ...(timestamp === undefined ? {} : { timestamp }),
      ...(valueText === '' ? {} : { value }),
    },
  }
}

/** Epoch seconds or milliseconds, ISO 8601, or `YYYY-MM-DD HH:MM:SS` taken as UTC; null when it is none of them. */
export function parseTime(raw: unknown): string | null {
  const text = textOf(raw)
  const number = text === '' ? Number.NaN : Number(text)
  const dateText = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text) ? `${text.replace(' ', 'T')}Z` : text
  const milliseconds = Number.isFinite(number)
    ? Math.abs(number) < 1e11
      ? number * 1_000
      : number
    : Date.parse(dateText)
  const date = new Date(Math.round(milliseconds))
  return text === '' || Number.isNaN(date.getTime()) ? null : date.toISOString()
}

export function textOf(raw: unknown): string {
  return raw === undefined || raw === null ? '' : String(raw).trim()
}
