import { Compile } from 'typebox/compile'
import { type ErrorCode, isMillraceError } from '../schemas/errors.ts'
import { isId } from '../schemas/identifiers.ts'
import { Interaction, RECORD_BYTES_MAX, type StoredEvent } from '../schemas/interaction.ts'
import type { EventWeights } from '../schemas/settings.ts'
import type { Codecs } from './codec/port.ts'
import type { LogRecord } from './event-log/port.ts'
import { originOf } from './origin.ts'

/** Event times before this (2000-01-01T00:00:00Z) are refused. */
export const EVENT_TIME_MIN = 946_684_800_000
/** Event times may be this far ahead of the reader's clock, in milliseconds. */
export const EVENT_TIME_AHEAD_MAX_MS = 300_000

/** An expected refusal: the error code and a sentence that names the field. */
export interface Rejection {
  readonly code: ErrorCode
  readonly detail: string
}

export interface InteractionRules {
  readonly eventWeights: EventWeights
  /** Epoch milliseconds. */
  readonly now: number
}

const validator = Compile(Interaction)

/**
 * Reads one record of topic `interactions`, whoever produced it: decodes the value and checks everything the edge checks,
 * and that the key is the user id. `codecs.prepare` must have seen the value. The position of the result is where the
 * record was read; an event without an id takes the position where it was first appended, also when it is replayed.
 */
export function readInteraction(
  record: LogRecord,
  codecs: Codecs,
  rules: InteractionRules,
): { event: StoredEvent } | { rejected: Rejection } {
  if (record.value === null) return refuse('INVALID_EVENT', 'the record has no value')
  if (record.value.length > RECORD_BYTES_MAX) {
    const detail = `the record takes ${record.value.length} bytes; ${RECORD_BYTES_MAX} are allowed`
    return refuse('PAYLOAD_TOO_LARGE', detail)
  }
  let interaction: Interaction
  try {
    interaction = codecs.interaction.decode(record.value)
  } catch (error) {
    if (isMillraceError(error, 'INVALID_EVENT')) return refuse(error.code, error.message)
    throw error
  }
  const rejected = checkInteraction(interaction, record.key, rules)
  if (rejected !== null) return { rejected }
  const { topic, partition, offset, appendedAt } = record
  const eventId = interaction.eventId ?? identityOf(record)
  if (!isId(eventId))
    return refuse('INVALID_EVENT', `eventId ${shown(eventId)} is not 1 to 128 printable ASCII characters`)
  return { event: { ...interaction, eventId, topic, partition, offset, appendedAt } }
}

/** The identity of an event without an id: `topic/partition/offset` of the place where it was first appended. */
export function identityOf(record: LogRecord): string {
  const { topic, partition, offset } = originOf(record)
  return `${topic}/${partition}/${offset}`
}

/** null when the event time is acceptable; `timestamp` and `now` in epoch milliseconds. */
export function checkEventTime(timestamp: number, now: number): Rejection | null {
  if (timestamp >= EVENT_TIME_MIN && timestamp <= now + EVENT_TIME_AHEAD_MAX_MS) return null
  const bound = timestamp < EVENT_TIME_MIN ? 'before 2000-01-01' : 'more than 5 minutes ahead'
  return { code: 'TIMESTAMP_OUT_OF_RANGE', detail: `timestamp ${timestamp} is ${bound}` }
}

function checkInteraction(interaction: Interaction, key: string | null, rules: InteractionRules): Rejection | null {
  if (interaction.operation !== 'assert') {
    return {
      code: 'OPERATION_NOT_SUPPORTED',
      detail: `operation ${interaction.operation} is reserved; only assert is accepted`,
    }
  }
  if (interaction.value !== null && !Number.isFinite(interaction.value)) {
    return { code: 'INVALID_EVENT', detail: `value ${interaction.value} is not a finite number` }
  }
  if (!validator.Check(interaction)) {
    const [problem] = validator.Errors(interaction)
    return { code: 'INVALID_EVENT', detail: `${problem?.instancePath.slice(1) || 'the event'} ${problem?.message}` }
  }
  if (key !== interaction.userId) {
    return { code: 'INVALID_EVENT', detail: `key ${shown(key)} is not the userId ${shown(interaction.userId)}` }
  }
  if (!Object.hasOwn(rules.eventWeights.weights, interaction.type)) {
    return { code: 'UNKNOWN_EVENT_TYPE', detail: `type ${interaction.type} is not configured in EVENT_WEIGHTS` }
  }
  return checkEventTime(interaction.timestamp, rules.now)
}

function refuse(code: ErrorCode, detail: string): { rejected: Rejection } {
  return { rejected: { code, detail } }
}

/** Short and printable, for headers and logs. */
function shown(text: string | null): string {
  return text === null ? 'null' : JSON.stringify(text.slice(0, 64))
}
