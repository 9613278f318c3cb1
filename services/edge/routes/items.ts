import { Type } from 'typebox'
import { Item, ItemInput } from '../../../schemas/catalogue.ts'
import { type ErrorCode, MillraceError } from '../../../schemas/errors.ts'
import { Id } from '../../../schemas/identifiers.ts'
import { RECORD_BYTES_MAX } from '../../../schemas/interaction.ts'
import type { AppendRecord } from '../../../streams/event-log/port.ts'
import { TOPICS } from '../../../streams/topics.ts'
import type { Rejected } from '../event-intake.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import { sendProblem } from '../problem.ts'
import { answers, ItemsReply } from '../reply-schemas.ts'
import { createCheck, explainViolation } from '../validation.ts'

/** Items of one bulk request. */
const ITEMS_PER_REQUEST_MAX = 1_000
/** A write is answered once this process has read it back, or after this long. */
const READ_BACK_MS = 1_000

const params = Type.Object({ id: Id })
const NamedItemInput = Type.Object({ itemId: Id, ...ItemInput.properties }, { additionalProperties: false })

export function itemRoutes(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  const { backends, catalogue, codecs } = services
  const tags = ['catalogue']

  async function append(records: readonly AppendRecord[]): Promise<void> {
    const positions = await backends.log.append(TOPICS.items, records, { signal })
    await catalogue.waitUntilRead(positions, READ_BACK_MS)
  }

  app.put(
    '/items/:id',
    {
      config: { scope: 'write' },
      schema: {
        ...{ tags, summary: 'Describe an item, replacing what was there', params, body: ItemInput },
        response: answers({ 200: Item }, 400, 413, 415, 503),
      },
    },
    async (request) => {
      const item = toItem(request.params.id, request.body)
      const value = codecs.item.encode(item)
      if (value.length > RECORD_BYTES_MAX) throw new MillraceError('PAYLOAD_TOO_LARGE', tooLarge(value.length))
      await append([{ key: item.itemId, value }])
      return item
    },
  )

  app.get(
    '/items/:id',
    {
      config: { scope: 'read' },
      schema: { tags, summary: 'One item', params, response: answers({ 200: Item }, 400, 404) },
    },
    async (request) => {
      const { id } = request.params
      const item = catalogue.item(id)
      if (item) return item
      const why = catalogue.isWithdrawn(id) ? 'has been withdrawn' : 'has not been described'
      throw new MillraceError('ITEM_NOT_FOUND', `item "${id}" ${why}`, { field: 'id' })
    },
  )

  app.delete(
    '/items/:id',
    {
      config: { scope: 'write' },
      schema: {
        ...{ tags, summary: 'Withdraw an item: it disappears from every list at once', params },
        response: answers({ 200: Type.Object({ itemId: Id, withdrawn: Type.Literal(true) }) }, 400, 503),
      },
    },
    async (request) => {
      const itemId = request.params.id
      const known = catalogue.item(itemId) ?? toItem(itemId, {})
      await append([{ key: itemId, value: codecs.item.encode({ ...known, withdrawn: true }) }])
      return { itemId, withdrawn: true as const }
    },
  )

  bulkRoute(app, services, append)
}

function bulkRoute(
  app: EdgeApp,
  { codecs }: EdgeServices,
  append: (records: readonly AppendRecord[]) => Promise<void>,
): void {
  const check = createCheck(NamedItemInput)
  app.post(
    '/items',
    {
      config: { scope: 'write' },
      schema: {
        tags: ['catalogue'],
        summary: 'Describe up to 1,000 items; each gets its own verdict',
        body: Type.Object(
          { items: Type.Array(Type.Unknown(), { minItems: 1, maxItems: ITEMS_PER_REQUEST_MAX }) },
          { additionalProperties: false },
        ),
        response: answers({ 202: ItemsReply }, 400, 413, 415, 503),
      },
    },
    async (request, reply) => {
      const records: AppendRecord[] = []
      const rejected: Rejected[] = []
      for (const [index, candidate] of request.body.items.entries()) {
        const violation = check(candidate)
        if (violation) {
          rejected.push({ index, code: 'INVALID_REQUEST' satisfies ErrorCode, ...explainViolation(violation) })
          continue
        }
        const { itemId, ...input } = candidate as { itemId: string } & ItemInput
        const value = codecs.item.encode(toItem(itemId, input))
        if (value.length <= RECORD_BYTES_MAX) records.push({ key: itemId, value })
        else rejected.push({ index, code: 'PAYLOAD_TOO_LARGE', field: 'attributes', detail: tooLarge(value.length) })
      }
      const [first] = rejected
      if (records.length === 0 && first) {
        return sendProblem(request, reply, first.code, `no item is usable: ${first.detail}`, {
          ...{ field: first.field, rejected },
        })
      }
      await append(records)
      return reply.code(202).send({ accepted: records.length, rejected })
    },
  )
}

function toItem(itemId: string, input: ItemInput): Item {
  return {
    itemId,
    title: input.title ?? null,
    categories: input.categories ?? [],
    attributes: input.attributes ?? {},
    withdrawn: false,
  }
}

function tooLarge(bytes: number): string {
  return `the item takes ${bytes} bytes; ${RECORD_BYTES_MAX} are allowed`
}
