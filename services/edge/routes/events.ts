import { Type } from 'typebox'
import { MillraceError } from '../../../schemas/errors.ts'
import { EVENTS_PER_REQUEST_MAX, InteractionInput } from '../../../schemas/interaction.ts'
import { TOPICS } from '../../../streams/topics.ts'
import { checkIdempotencyKey, createEventIntake } from '../event-intake.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import { sendProblem } from '../problem.ts'
import { answers, EventsReply } from '../reply-schemas.ts'
import { encodeToken } from '../token.ts'

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/

export function eventRoutes(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  const { context, backends, codecs, metrics, outages } = services
  const sortEvents = createEventIntake(context.eventWeights, codecs)

  app.post(
    '/events',
    {
      config: { scope: 'write' },
      // The handler checks each event by itself, so that one bad event does not cost the others.
      validatorCompiler: () => () => true,
      schema: {
        tags: ['events'],
        summary: 'Append one event or up to 1,000 to the log',
        description:
          'Answers once the log holds the accepted events durably. `Idempotency-Key: K` makes missing event ids `K:index`.',
        body: Type.Union([
          InteractionInput,
          Type.Object({ events: Type.Array(InteractionInput, { minItems: 1, maxItems: EVENTS_PER_REQUEST_MAX }) }),
        ]),
        response: answers({ 202: EventsReply }, 400, 413, 415, 503, 507),
      },
    },
    async (request, reply) => {
      const events = eventsOf(request.body)
      const idempotencyKey = checkIdempotencyKey(request.headers['idempotency-key']?.toString())
      const headers = traceHeaders(request.headers.traceparent)
      const intake = sortEvents(events, { idempotencyKey, headers, now: context.now() })
      for (const { code } of intake.rejected) metrics.eventsRejected.inc({ code })
      const [first] = intake.rejected
      if (intake.records.length === 0 && first) {
        const detail = events.length === 1 ? first.detail : `none of ${events.length} events is usable: ${first.detail}`
        return sendProblem(request, reply, first.code, detail, { field: first.field, rejected: intake.rejected })
      }
      const positions = await backends.log.append(TOPICS.interactions, intake.records, { signal })
      outages.passed('LOG_UNAVAILABLE')
      metrics.eventsAccepted.inc(intake.records.length)
      return reply.code(202).send({
        accepted: intake.records.length,
        eventIds: intake.eventIds,
        rejected: intake.rejected,
        token: encodeToken(backends.log.id, positions),
      })
    },
  )
}

/** A body is one event, or an object with nothing but `events`. */
function eventsOf(body: unknown): readonly unknown[] {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) {
    throw new MillraceError('INVALID_REQUEST', 'the body must be an event or an object with "events"')
  }
  if (!Object.hasOwn(body, 'events')) return [body]
  const other = Object.keys(body).find((name) => name !== 'events')
  if (other !== undefined) {
    throw new MillraceError('INVALID_REQUEST', `field "${other}" is not known beside "events"`, { field: other })
  }
  const { events } = body as { readonly events: unknown }
  if (!Array.isArray(events) || events.length === 0) {
    throw new MillraceError('INVALID_REQUEST', 'field "events" must be a list of at least one event', {
      field: 'events',
    })
  }
  if (events.length > EVENTS_PER_REQUEST_MAX) {
    throw new MillraceError(
      'TOO_MANY_EVENTS',
      `field "events" has ${events.length} events; ${EVENTS_PER_REQUEST_MAX} are allowed in a request`,
      { field: 'events' },
    )
  }
  return events
}

function traceHeaders(traceparent: unknown): Readonly<Record<string, string>> {
  return typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? { traceparent } : {}
}
