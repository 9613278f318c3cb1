import { randomUUID } from 'node:crypto'
import { type ErrorCode, MillraceError } from '../../schemas/errors.ts'
import { isId } from '../../schemas/identifiers.ts'
import { type Interaction, InteractionInput, RECORD_BYTES_MAX } from '../../schemas/interaction.ts'
import type { EventWeights } from '../../schemas/settings.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import type { AppendRecord } from '../../streams/event-log/port.ts'
import { checkEventTime } from '../../streams/interactions.ts'
import { createCheck, explainViolation } from './validation.ts'

/** Longest Idempotency-Key: `K:index` must still be an id. */
const IDEMPOTENCY_KEY_LENGTH_MAX = 120

/** Why one event of a request was refused. */
export interface Rejected {
  readonly index: number
  readonly code: ErrorCode
  readonly field: string | null
  readonly detail: string
}

/** A request's events sorted into records for the log and refusals. `eventIds` has null where an event was refused. */
export interface Intake {
  readonly records: readonly AppendRecord[]
  readonly eventIds: readonly (string | null)[]
  readonly rejected: readonly Rejected[]
}

export interface IntakeOptions {
  readonly idempotencyKey: string | null
  readonly headers: Readonly<Record<string, string>>
  /** Epoch milliseconds. */
  readonly now: number
}

/** @throws MillraceError INVALID_REQUEST for an Idempotency-Key that cannot be part of an event id. */
export function checkIdempotencyKey(key: string | undefined): string | null {
  if (key === undefined) return null
  if (isId(key) && key.length <= IDEMPOTENCY_KEY_LENGTH_MAX) return key
  throw new MillraceError(
    'INVALID_REQUEST',
    `Idempotency-Key must be 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters without spaces`,
    { field: 'Idempotency-Key' },
  )
}

/** Checks events one by one, settles their ids and times, and encodes them for the log. */
export function createEventIntake(eventWeights: EventWeights, codecs: Codecs) {
  const check = createCheck(InteractionInput)
  const typeNames = Object.keys(eventWeights.weights).join(', ')

  function refuse(candidate: unknown, timestamp: number, now: number): Omit<Rejected, 'index'> | null {
    const violation = check(candidate)
    if (violation) return { code: 'INVALID_EVENT', ...explainViolation(violation) }
    const event = candidate as InteractionInput
    if (event.operation !== undefined && event.operation !== 'assert') {
      const detail = `field "operation" is "${event.operation}"; only "assert" is accepted for now`
      return { code: 'OPERATION_NOT_SUPPORTED', field: 'operation', detail }
    }
    if (!Object.hasOwn(eventWeights.weights, event.type)) {
      const detail = `field "type" is "${event.type}"; configured types are ${typeNames}`
      return { code: 'UNKNOWN_EVENT_TYPE', field: 'type', detail }
    }
    const late = Number.isFinite(timestamp)
      ? checkEventTime(timestamp, now)
      : { code: 'INVALID_EVENT' as const, detail: 'field "timestamp" is not a time' }
    return late && { ...late, field: 'timestamp' }
  }

  return (events: readonly unknown[], options: IntakeOptions): Intake => {
    const records: AppendRecord[] = []
    const eventIds: (string | null)[] = []
    const rejected: Rejected[] = []
    for (const [index, candidate] of events.entries()) {
      const timestamp = timeOf(candidate, options.now)
      const refusal = refuse(candidate, timestamp, options.now)
      if (refusal === null) {
        const event = candidate as InteractionInput
        const { idempotencyKey } = options
        const eventId = event.eventId ?? (idempotencyKey === null ? randomUUID() : `${idempotencyKey}:${index}`)
        const value = codecs.interaction.encode(toInteraction(event, eventId, timestamp))
        if (value.length <= RECORD_BYTES_MAX) {
          eventIds.push(eventId)
          records.push({ key: event.userId, value, headers: options.headers })
          continue
        }
        const detail = `the event takes ${value.length} bytes; ${RECORD_BYTES_MAX} are allowed`
        rejected.push({ index, code: 'PAYLOAD_TOO_LARGE', field: 'context', detail })
      } else rejected.push({ index, ...refusal })
      eventIds.push(null)
    }
    return { records, eventIds, rejected }
  }
}

/** Epoch milliseconds; NaN where the text is no time, `now` where there is none. */
function timeOf(candidate: unknown, now: number): number {
  const timestamp = (candidate as Partial<InteractionInput> | null)?.timestamp
  return timestamp === undefined ? now : Date.parse(String(timestamp))
}

function toInteraction(event: InteractionInput, eventId: string, timestamp: number): Interaction {
  return {
    operation: 'assert',
    eventId,
    userId: event.userId,
    itemId: event.itemId,
    type: event.type,
    timestamp,
    value: event.value ?? null,
    requestId: event.requestId ?? null,
    context: event.context ?? null,
  }
}
