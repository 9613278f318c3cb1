import { type Static, Type } from 'typebox'
import { fillFromLadder, SOURCES, type Source } from '../../../engine/ranking/ladder.ts'
import { isMillraceError } from '../../../schemas/errors.ts'
import { Id } from '../../../schemas/identifiers.ts'
import type { PopularItem } from '../../../stores/event-store/port.ts'
import { type PopularityWindow, WINDOWS_MS } from '../../runtime/popularity.ts'
import { popularOffer, staticOffer } from '../fallbacks.ts'
import { composeList, cutList } from '../list-body.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import type { ListRequest } from '../ranker.ts'
import { LIST_LENGTH } from '../recommender.ts'
import { replyJson } from '../reply.ts'
import { answers, RecommendationsReply } from '../reply-schemas.ts'
import { TOKEN_LENGTH_MAX } from '../token.ts'

/** Exclusions of one request. */
const EXCLUDE_MAX = 1_000
/** Items of a basket. */
const BASKET_MAX = 100
const WAIT_MS_MAX = 5_000
const JSON_TYPE = 'application/json; charset=utf-8'

const listFields = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIST_LENGTH, default: 10 })),
  category: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  exclude: Type.Optional(Type.Array(Id, { maxItems: EXCLUDE_MAX })),
  minSource: Type.Optional(
    Type.Union(
      SOURCES.map((source) => Type.Literal(source)),
      { description: 'the last source that may fill the list', default: 'static' },
    ),
  ),
  include: Type.Optional(Type.Array(Type.Literal('metadata'), { maxItems: 1 })),
}

const UserQuery = Type.Object(
  {
    ...listFields,
    includeSeen: Type.Optional(Type.Boolean({ default: false })),
    after: Type.Optional(Type.String({ minLength: 1, maxLength: TOKEN_LENGTH_MAX })),
    wait: Type.Optional(Type.Integer({ minimum: 0, maximum: WAIT_MS_MAX, default: 1_000 })),
  },
  { additionalProperties: false },
)
const PopularQuery = Type.Object(
  {
    limit: listFields.limit,
    category: listFields.category,
    include: listFields.include,
    window: Type.Optional(Type.Union([...Object.keys(WINDOWS_MS), 'all'].map((window) => Type.Literal(window)))),
  },
  { additionalProperties: false },
)
const AnonymousBody = Type.Object(
  { ...listFields, items: Type.Optional(Type.Array(Id, { maxItems: BASKET_MAX })) },
  { additionalProperties: false },
)
type ListFields = Static<typeof AnonymousBody> & { readonly includeSeen?: boolean }

export function recommendationRoutes(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  const { recommender, metrics } = services
  const response = answers({ 200: RecommendationsReply }, 400, 503)

  app.get(
    '/recommendations/user/:id',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['recommendations'],
        summary: 'Recommendations for a user; an unknown user gets a list too',
        params: Type.Object({ id: Id }),
        querystring: UserQuery,
        response,
      },
    },
    async (request, reply) => {
      const { params, query } = request
      const asked = { ...listRequest(query), after: query.after ?? null, waitMs: query.wait ?? 1_000 }
      const body = await recommender.forUser(params.id, asked, request.id, signal)
      metrics.recommendationLatency.observe({ scenario: 'user' }, reply.elapsedTime / 1_000)
      return reply.header('content-type', JSON_TYPE).send(body)
    },
  )

  app.post(
    '/recommendations/anonymous',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['recommendations'],
        summary: 'Recommendations for a visitor without an id: a basket of items, or nothing',
        body: AnonymousBody,
        response,
      },
    },
    async (request, reply) => {
      const body = recommender.forBasket(request.body.items ?? [], listRequest(request.body), request.id)
      metrics.recommendationLatency.observe({ scenario: 'anonymous' }, reply.elapsedTime / 1_000)
      return reply.header('content-type', JSON_TYPE).send(body)
    },
  )

  popularRoute(app, services, signal)
}

function popularRoute(app: EdgeApp, { catalogue, popularity }: EdgeServices, signal: AbortSignal): void {
  /** null where the event store does not answer. */
  async function within(window: PopularityWindow): Promise<readonly PopularItem[] | null> {
    try {
      return await popularity.within(window, signal)
    } catch (error) {
      if (isMillraceError(error, 'STORE_UNAVAILABLE')) return null
      throw error
    }
  }

  app.get(
    '/recommendations/popular',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['recommendations'],
        summary: 'What is popular, decayed from the newest event, within a window and a category',
        querystring: PopularQuery,
        response: answers({ 200: RecommendationsReply }, 400, 503),
      },
    },
    async (request, reply) => {
      const { limit = 10, category, window = 'all', include } = request.query
      const items = window === 'all' ? popularity.current() : await within(window as PopularityWindow)
      const only = category === undefined ? null : catalogue.members(category)
      // What was popular before, without strangers that never were, unless there is nothing else.
      const before = popularity.saved().filter(({ itemId }) => only?.has(itemId) !== false)
      const last =
        before.length > 0
          ? { ...popularOffer(before), source: 'static' as const }
          : staticOffer({ catalogue, popularity }, [])
      const ranking = fillFromLadder([popularOffer(items), last], {
        limit,
        minSource: items === null ? 'static' : 'popular',
        isExcluded: (itemId) => catalogue.isWithdrawn(itemId) || only?.has(itemId) === false,
      })
      const metadata = include ? catalogue : null
      const cut = cutList(composeList({ ...ranking, skipped: {} }, null), { limit, exclude: null, metadata })
      const body = replyJson({
        ...{ userId: null, requestId: request.id, modelVersion: null, cache: 'miss', after: null },
        ...{ degraded: items === null, cut },
      })
      return reply.header('content-type', JSON_TYPE).send(body)
    },
  )
}

function listRequest(fields: ListFields): ListRequest {
  return {
    limit: fields.limit ?? 10,
    category: fields.category ?? null,
    exclude: fields.exclude ?? [],
    includeSeen: fields.includeSeen ?? false,
    minSource: (fields.minSource ?? 'static') as Source,
    metadata: fields.include !== undefined && fields.include.length > 0,
  }
}
