import { type Static, Type } from 'typebox'
import { observationsOf } from '../../../engine/history/observations.ts'
import { MillraceError } from '../../../schemas/errors.ts'
import { Id } from '../../../schemas/identifiers.ts'
import { rounded } from '../decimals.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import { allowedItems } from '../personal.ts'
import type { PreparedModel } from '../prepared-model.ts'
import { answers } from '../reply-schemas.ts'
import { refuseUnbuilt } from '../user-reads.ts'

const DAY_MS = 86_400_000
/** Contributions shown by default and at most. */
const CONTRIBUTIONS_DEFAULT = 5
const limitField = (maximum: number, value: number) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum, default: value }))

const SimilarReply = Type.Object({
  itemId: Id,
  modelVersion: Type.Union([Type.String(), Type.Null()]),
  source: Type.Union([Type.Literal('model'), Type.Literal('category')]),
  items: Type.Array(
    Type.Object({
      itemId: Id,
      rank: Type.Integer(),
      score: Type.Number(),
      title: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
})
const BecauseReply = Type.Object({
  userId: Id,
  itemId: Id,
  modelVersion: Type.String(),
  score: Type.Number(),
  contributions: Type.Array(
    Type.Object({ itemId: Id, title: Type.Union([Type.String(), Type.Null()]), contribution: Type.Number() }),
  ),
})

export function explanationRoutes(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  similarRoute(app, services)
  becauseRoute(app, services, signal)
}

function similarRoute(app: EdgeApp, services: EdgeServices): void {
  const { recommender, catalogue } = services
  app.get(
    '/items/:id/similar',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['recommendations'],
        summary:
          'Items like this one: by the model, or popular ones of its categories where the model does not know it',
        params: Type.Object({ id: Id }),
        querystring: Type.Object(
          { limit: limitField(100, 10), category: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })) },
          { additionalProperties: false },
        ),
        response: answers({ 200: SimilarReply }, 400, 404),
      },
    },
    async (request): Promise<Static<typeof SimilarReply>> => {
      const { id } = request.params
      const { limit = 10, category } = request.query
      await recommender.prepare()?.scorer.prepareSimilar()
      const prepared = recommender.prepare()
      const item = prepared?.scorer.indexOf(id)
      if (item === undefined && catalogue.item(id) === null) {
        throw new MillraceError('ITEM_NOT_FOUND', `item "${id}" is neither in the catalogue nor in the model`, {
          field: 'id',
        })
      }
      const modelVersion = prepared?.version ?? null
      const byModel =
        prepared && item !== undefined
          ? similarByModel(prepared, item, limit, category === undefined ? null : catalogue.members(category))
          : null
      const found = byModel ?? similarByCategory(services, id, limit, category)
      return {
        ...{ itemId: id, modelVersion, source: byModel ? 'model' : 'category' },
        items: found.map(({ itemId, score }, at) => ({
          ...{ itemId, rank: at + 1, score: rounded(score), title: catalogue.item(itemId)?.title ?? null },
        })),
      }
    },
  )
}

interface Similar {
  readonly itemId: string
  readonly score: number
}

function similarByModel(
  prepared: PreparedModel,
  item: number,
  limit: number,
  only: ReadonlySet<string> | null,
): Similar[] {
  const { scorer, withdrawn } = prepared
  const allow = only === null ? null : allowedItems(prepared, only)
  const { items, scores } = scorer.similar(item, { k: limit, exclude: withdrawn, ...(allow && { allow }) })
  return Array.from(items, (found, at) => ({
    itemId: scorer.itemIds[found] as string,
    score: scores[at] as number,
  }))
}

function similarByCategory(services: EdgeServices, itemId: string, limit: number, category?: string): Similar[] {
  const { catalogue, popularity } = services
  const categories = catalogue.item(itemId)?.categories ?? []
  const found = new Map<string, number>()
  for (const name of category === undefined ? categories : [category]) {
    for (const { itemId: other, score } of popularity.ofCategory(name)) found.set(other, score)
    for (const other of catalogue.members(name)) if (!found.has(other)) found.set(other, 0)
  }
  found.delete(itemId)
  return [...found]
    .filter(([other]) => !catalogue.isWithdrawn(other))
    .sort((left, right) => right[1] - left[1] || (left[0] < right[0] ? -1 : 1))
    .slice(0, limit)
    .map(([other, score]) => ({ itemId: other, score }))
}

function becauseRoute(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  const { recommender, backends, catalogue, context } = services
  const halfLifeMs = context.settings.HALF_LIFE_DAYS * DAY_MS
  app.get(
    '/users/:id/because/:item',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['recommendations'],
        summary: "What each item of a user's history adds to the score of an item, exactly",
        params: Type.Object({ id: Id, item: Id }),
        querystring: Type.Object({ limit: limitField(100, CONTRIBUTIONS_DEFAULT) }, { additionalProperties: false }),
        response: answers({ 200: BecauseReply }, 400, 404, 503),
      },
    },
    async (request): Promise<Static<typeof BecauseReply>> => {
      const { id, item: itemId } = request.params
      const record = await backends.userState.get(id, { signal })
      if (record === null) {
        await refuseUnbuilt(backends.userState, signal)
        throw new MillraceError('USER_NOT_FOUND', `user "${id}" has no events`, { field: 'id' })
      }
      const prepared = recommender.prepare()
      if (prepared === null) throw new MillraceError('NOT_READY', 'there is no model yet to explain')
      const { scorer, version } = prepared
      const item = scorer.indexOf(itemId)
      if (item === undefined)
        throw new MillraceError('ITEM_NOT_FOUND', `item "${itemId}" is not in model ${version}`, { field: 'item' })
      const observations = observationsOf(record, halfLifeMs, scorer)
      const shares = scorer.contributions(observations, item)
      const contributions = Array.from(shares, (contribution, at) => {
        const liked = scorer.itemIds[observations.items[at] as number] as string
        return { itemId: liked, title: catalogue.item(liked)?.title ?? null, contribution: rounded(contribution) }
      })
      contributions.sort((left, right) => right.contribution - left.contribution)
      return {
        ...{ userId: id, itemId, modelVersion: version },
        score: rounded(shares.reduce((sum, share) => sum + share, 0)),
        contributions: contributions.slice(0, request.query.limit ?? CONTRIBUTIONS_DEFAULT),
      }
    },
  )
}
