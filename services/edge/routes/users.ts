import { Type } from 'typebox'
import { historyStrengths } from '../../../engine/history/history.ts'
import { User, UserInput } from '../../../schemas/catalogue.ts'
import { MillraceError } from '../../../schemas/errors.ts'
import { Id } from '../../../schemas/identifiers.ts'
import { RECORD_BYTES_MAX, type StoredEvent } from '../../../schemas/interaction.ts'
import { TOPICS } from '../../../streams/topics.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import { answers } from '../reply-schemas.ts'

const READ_BACK_MS = 1_000
const DAY_MS = 86_400_000
const params = Type.Object({ id: Id })

export function userRoutes(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  const { backends, catalogue, codecs } = services
  const tags = ['catalogue']

  async function append(userId: string, value: Uint8Array | null): Promise<void> {
    const positions = await backends.log.append(TOPICS.users, [{ key: userId, value }], { signal })
    await catalogue.waitUntilRead(positions, READ_BACK_MS)
  }

  app.put(
    '/users/:id',
    {
      config: { scope: 'write' },
      schema: {
        ...{ tags, summary: "State a user's preferences, replacing what was there", params, body: UserInput },
        response: answers({ 200: User }, 400, 413, 415, 503),
      },
    },
    async (request) => {
      const { categories = [], attributes = {} } = request.body
      const user: User = { userId: request.params.id, categories, attributes }
      const value = codecs.user.encode(user)
      if (value.length > RECORD_BYTES_MAX) {
        throw new MillraceError(
          'PAYLOAD_TOO_LARGE',
          `the user takes ${value.length} bytes; ${RECORD_BYTES_MAX} are allowed`,
        )
      }
      await append(user.userId, value)
      return user
    },
  )

  app.get(
    '/users/:id',
    {
      config: { scope: 'read' },
      schema: { tags, summary: "A user's preferences", params, response: answers({ 200: User }, 400, 404) },
    },
    async (request) => {
      const user = catalogue.user(request.params.id)
      if (user) return user
      throw new MillraceError('USER_NOT_FOUND', `user "${request.params.id}" has stated no preferences`, {
        field: 'id',
      })
    },
  )

  app.delete(
    '/users/:id',
    {
      config: { scope: 'write' },
      schema: {
        ...{ tags, summary: "Forget a user's preferences; events stay", params },
        response: answers({ 200: Type.Object({ userId: Id, forgotten: Type.Literal(true) }) }, 400, 503),
      },
    },
    async (request) => {
      await append(request.params.id, null)
      return { userId: request.params.id, forgotten: true as const }
    },
  )

  historyRoute(app, services, signal)
}

function historyRoute(app: EdgeApp, { backends, context, catalogue }: EdgeServices, signal: AbortSignal): void {
  const halfLifeMs = context.settings.HALF_LIFE_DAYS * DAY_MS
  app.get(
    '/users/:id/history',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['catalogue'],
        summary: "A user's stored events, newest first, and the distinct items that count towards recommendations",
        params,
        querystring: Type.Object(
          { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 50 })) },
          { additionalProperties: false },
        ),
        response: answers({}, 400, 404, 503),
      },
    },
    async (request) => {
      const { id } = request.params
      const { limit = 50 } = request.query
      const record = await backends.userState.get(id, { signal })
      const events = await backends.eventStore.userEvents(id, { limit, signal })
      if (record === null && events.length === 0) {
        throw new MillraceError('USER_NOT_FOUND', `user "${id}" has no events`, { field: 'id' })
      }
      const strengths = record === null ? [] : historyStrengths(record, halfLifeMs)
      const items = strengths
        .map(({ itemId, strength, newestAt }) => ({
          itemId,
          title: catalogue.item(itemId)?.title ?? null,
          strength,
          lastEventAt: new Date(newestAt).toISOString(),
        }))
        .sort((left, right) => (left.lastEventAt < right.lastEventAt ? 1 : -1))
        .slice(0, limit)
      return {
        userId: id,
        state: record && { events: record.events, lastEventAt: new Date(record.lastEventAt).toISOString() },
        items,
        events: events.map(eventReply),
      }
    },
  )
}

function eventReply(event: StoredEvent) {
  const { eventId, itemId, type, timestamp, value, requestId, context } = event
  return { eventId, itemId, type, timestamp: new Date(timestamp).toISOString(), value, requestId, context }
}
