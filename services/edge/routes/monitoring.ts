import { Type } from 'typebox'
import { isMillraceError } from '../../../schemas/errors.ts'
import { replayDeadLetters } from '../../../streams/dead-letters.ts'
import type { EventLog } from '../../../streams/event-log/port.ts'
import { TOPICS } from '../../../streams/topics.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import { ANSWER_AGE_MAX_MS, createRecentAnswer } from '../recent-answer.ts'
import { answers } from '../reply-schemas.ts'

/** Dead letters looked at by one request. */
const REPLAY_RECORDS_MAX = 10_000
const tags = ['operations']
const Count = Type.Integer({ minimum: 0 })

export function monitoringRoutes(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  const { lag, live, backends } = services

  app.get(
    '/monitoring/lag',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, summary: 'Lag of every consumer group, by partition, in records and seconds' },
        response: answers({
          200: Type.Object({
            at: Type.Number({ description: 'Epoch milliseconds of this answer' }),
            sampledAt: Type.Union([Type.Number(), Type.Null()], {
              description: 'Epoch milliseconds at which the groups were looked at; what was appended before is in it',
            }),
            groups: Type.Array(
              Type.Object({
                ...{ group: Type.String(), topic: Type.String(), partition: Count },
                ...{ lagRecords: Count, lagSeconds: Type.Number() },
              }),
            ),
          }),
        }),
      },
    },
    async () => ({ at: services.context.now(), sampledAt: lag.sampledAt(), groups: lag.current() }),
  )

  app.get(
    '/monitoring/live',
    {
      config: { scope: 'read' },
      schema: { tags, summary: 'The last five minutes, one sample a second', response: {} },
    },
    async () => ({ at: services.context.now(), samples: live.samples() }),
  )

  app.post(
    '/monitoring/dead-letters/replay',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, summary: 'Put dead letters back into their topic, each with its first identity' },
        body: Type.Union([Type.Object({}, { additionalProperties: false }), Type.Null()]),
        response: answers({}, 400, 415, 503),
      },
    },
    async () => {
      const result = await replayDeadLetters(backends.log, { recordsMax: REPLAY_RECORDS_MAX, signal })
      return { ...result, skipped: result.exhausted + result.unusable }
    },
  )

  statusRoute(app, services, signal)
}

function statusRoute(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  const { backends, models, catalogue, context } = services
  const startedAt = context.now()
  const recentCount = createRecentAnswer<number>(context.now)
  app.get(
    '/monitoring/status',
    {
      config: { scope: 'read' },
      schema: {
        ...{
          tags,
          summary: 'Counts that must agree once everybody has caught up; null where a backend is unreachable',
          description: `The event store's count takes the longer the more there is: it may be as old as nine times what counting took, at most ${ANSWER_AGE_MAX_MS / 1_000} s.`,
        },
        response: {},
      },
    },
    async () => {
      const [interactions, deadLetters, events, totals] = await Promise.all([
        orNull(recordsEver(backends.log, TOPICS.interactions, signal)),
        orNull(recordsEver(backends.log, TOPICS.deadLetters, signal)),
        orNull(recentCount(() => backends.eventStore.count({ signal }))),
        orNull(backends.userState.totals({ signal })),
      ])
      const model = models.current()
      return {
        logId: backends.log.id,
        log: interactions === null ? null : { interactions },
        eventStore: events === null ? null : { events },
        userState: totals,
        deadLetters,
        model: model && {
          version: model.version,
          trainedAt: new Date(model.trainedAt).toISOString(),
          users: model.scorer.model.users,
          items: model.scorer.model.itemIds.length,
        },
        catalogue: { items: catalogue.itemCount, ready: catalogue.ready },
        startedAt: new Date(startedAt).toISOString(),
        uptimeSeconds: Math.round((context.now() - startedAt) / 1_000),
      }
    },
  )
}

/** Offsets count from 0 and are never given twice, so the ends add up to the records ever appended. */
async function recordsEver(log: EventLog, topic: string, signal: AbortSignal): Promise<number> {
  const offsets = await log.offsets(topic, { signal })
  return offsets.reduce((sum, { endOffset }) => sum + endOffset, 0)
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    if (isMillraceError(error)) return null
    throw error
  }
}
