import { type TSchema, Type } from 'typebox'
import { SOURCES } from '../../engine/ranking/ladder.ts'
import { HTTP_STATUS } from '../../schemas/errors.ts'
import { RUN_STATES } from '../../schemas/training.ts'

/** Shapes of replies, for the OpenAPI document. Replies are not filtered through them. */
export const ProblemReply = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.Union(Object.keys(HTTP_STATUS).map((code) => Type.Literal(code))),
    field: Type.Optional(Type.String()),
    instance: Type.String({ description: 'id of the request' }),
  },
  { description: 'RFC 9457 problem details' },
)

const SourceName = Type.Union(SOURCES.map((source) => Type.Literal(source)))
const IsoTime = Type.String({ format: 'date-time' })

export const RecommendedItem = Type.Object({
  itemId: Type.String(),
  rank: Type.Integer({ minimum: 1 }),
  score: Type.Number(),
  source: SourceName,
  reason: Type.Object({
    kind: Type.Union([Type.Literal('because'), Type.Literal('category'), Type.Literal('popular')]),
    ids: Type.Array(Type.String()),
  }),
  title: Type.Optional(Type.String()),
  categories: Type.Optional(Type.Array(Type.String())),
})

export const RecommendationsReply = Type.Object({
  userId: Type.Union([Type.String(), Type.Null()]),
  requestId: Type.String({ description: 'new for every reply' }),
  modelVersion: Type.Union([Type.String(), Type.Null()]),
  cache: Type.Union([Type.Literal('hit'), Type.Literal('miss')]),
  degraded: Type.Boolean({ description: 'true where a backend was missing or `after` timed out' }),
  after: Type.Optional(Type.Literal('timeout')),
  sources: Type.Array(SourceName),
  skipped: Type.Record(Type.String(), Type.String(), { description: 'source -> why it gave nothing' }),
  state: Type.Union([
    Type.Object({
      events: Type.Integer(),
      lastEventAt: Type.Union([IsoTime, Type.Null()]),
      lagMs: Type.Union([Type.Number(), Type.Null()]),
    }),
    Type.Null(),
  ]),
  items: Type.Array(RecommendedItem),
})

const RejectedRecord = Type.Object({
  index: Type.Integer(),
  code: Type.String(),
  field: Type.Union([Type.String(), Type.Null()]),
  detail: Type.String(),
})

export const EventsReply = Type.Object({
  accepted: Type.Integer(),
  eventIds: Type.Array(Type.Union([Type.String(), Type.Null()])),
  rejected: Type.Array(RejectedRecord),
  token: Type.String({ description: 'send as `after` to read what this write changed' }),
})

export const ItemsReply = Type.Object({ accepted: Type.Integer(), rejected: Type.Array(RejectedRecord) })

export const RunReply = Type.Object({
  runId: Type.String(),
  state: Type.Union(RUN_STATES.map((state) => Type.Literal(state))),
  progress: Type.Number({ minimum: 0, maximum: 1 }),
  message: Type.String(),
  metrics: Type.Record(Type.String(), Type.Number()),
  gate: Type.Union([Type.Object({ accepted: Type.Boolean(), reasons: Type.Array(Type.String()) }), Type.Null()]),
})

/**
 * A route's documented answers: shapes by status, and the statuses of its problem details. Typed as nothing in particular,
 * as handlers send text or values that are wider than the document.
 */
export function answers(shapes: Readonly<Record<number, TSchema>>, ...problems: readonly number[]): object {
  const refusals = Object.fromEntries(problems.map((status) => [status, ProblemReply]))
  return { ...shapes, ...refusals }
}
