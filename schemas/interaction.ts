import { type Static, Type } from 'typebox'
import { Id } from './identifiers.ts'

/** Largest event context: entries, and characters per key and value. */
export const CONTEXT_ENTRIES_MAX = 32
export const CONTEXT_VALUE_LENGTH_MAX = 256
/** Largest batch of one `POST /events`. */
export const EVENTS_PER_REQUEST_MAX = 1_000
/** Largest encoded record that the log accepts, in bytes. */
export const RECORD_BYTES_MAX = 65_536

/** Beyond this an Avro long does not survive JavaScript's numbers (its encoding doubles them), in milliseconds. */
export const TIMESTAMP_MAGNITUDE_MAX = 2 ** 52 - 1

export const OPERATIONS = ['assert', 'retract', 'erase'] as const
export const Operation = Type.Union([Type.Literal('assert'), Type.Literal('retract'), Type.Literal('erase')], {
  description: 'assert records an interaction; retract and erase are reserved and refused for now',
})
export type Operation = (typeof OPERATIONS)[number]

export const EventType = Type.String({
  pattern: '^[a-z][a-z0-9_-]{0,31}$',
  description: 'a configured event type, e.g. view, click, purchase',
})

/** What an application sends. `timestamp` is ISO 8601 with a zone; absent means now. */
export const InteractionInput = Type.Object(
  {
    eventId: Type.Optional(Id),
    userId: Id,
    itemId: Id,
    type: EventType,
    timestamp: Type.Optional(Type.String({ format: 'date-time' })),
    value: Type.Optional(Type.Number()),
    requestId: Type.Optional(Id),
    context: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[\\x21-\\x7e]{1,64}$' }),
        Type.String({ maxLength: CONTEXT_VALUE_LENGTH_MAX }),
        {
          maxProperties: CONTEXT_ENTRIES_MAX,
        },
      ),
    ),
    operation: Type.Optional(Operation),
  },
  { additionalProperties: false },
)
export type InteractionInput = Static<typeof InteractionInput>

/**
 * One interaction as it rests in the log (Avro, schemas/avro/interaction.avsc). `timestamp` is event time in
 * epoch milliseconds. `eventId` is null only for records that were produced directly without one; their identity
 * is then `topic/partition/offset` of the original position (see identityOf in streams/interactions.ts).
 */
export const Interaction = Type.Object(
  {
    operation: Operation,
    eventId: Type.Union([Id, Type.Null()]),
    userId: Id,
    itemId: Id,
    type: EventType,
    timestamp: Type.Integer({ minimum: -TIMESTAMP_MAGNITUDE_MAX, maximum: TIMESTAMP_MAGNITUDE_MAX }),
    value: Type.Union([Type.Number(), Type.Null()]),
    requestId: Type.Union([Id, Type.Null()]),
    context: Type.Union([
      Type.Record(Type.String(), Type.String({ maxLength: CONTEXT_VALUE_LENGTH_MAX }), {
        maxProperties: CONTEXT_ENTRIES_MAX,
      }),
      Type.Null(),
    ]),
  },
  { additionalProperties: false },
)
export type Interaction = Static<typeof Interaction>

/** An interaction with its identity settled and the place it was read from. Times in epoch milliseconds. */
export interface StoredEvent extends Omit<Interaction, 'eventId'> {
  readonly eventId: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The log's own clock at the durable append: drives retention, lag and freshness, never decay. */
  readonly appendedAt: number
}
