import { Type } from 'typebox'
import type { AliasChange, ModelVersion } from '../../../stores/model-registry/port.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import { answers } from '../reply-schemas.ts'

const tags = ['models']
const Reason = Type.Optional(Type.String({ minLength: 1, maxLength: 500 }))
const ReasonBody = Type.Union([Type.Object({ reason: Reason }, { additionalProperties: false }), Type.Null()])

export function modelRoutes(app: EdgeApp, { backends, context, models }: EdgeServices, signal: AbortSignal): void {
  const { modelRegistry } = backends

  app.get(
    '/models',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, summary: 'Model versions, newest first, which of them serves, and how the aliases moved' },
        querystring: Type.Object(
          { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 50 })) },
          { additionalProperties: false },
        ),
        response: answers({}, 400, 503),
      },
    },
    async (request) => {
      const { limit = 50 } = request.query
      const [versions, champion, challenger, history] = await Promise.all([
        modelRegistry.listVersions({ limit, signal }),
        modelRegistry.alias('champion', { signal }),
        modelRegistry.alias('challenger', { signal }),
        modelRegistry.history({ limit, signal }),
      ])
      return {
        ...{ champion, challenger, serving: models.current()?.version ?? null },
        models: versions.map((version) => versionReply(version, { champion, challenger })),
        history: history.map(changeReply),
      }
    },
  )

  app.post(
    '/models/:version/promote',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, summary: 'Make a version the champion; processes serve it within two seconds' },
        params: Type.Object({ version: Type.String({ pattern: '^[1-9]\\d{0,15}$' }) }),
        body: ReasonBody,
        response: answers({}, 400, 404, 409, 415, 503),
      },
    },
    async (request) => {
      const reason = request.body?.reason ?? 'promoted over HTTP'
      return changeReply(await modelRegistry.promote(request.params.version, { reason, now: context.now(), signal }))
    },
  )

  app.post(
    '/models/rollback',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, summary: 'Back to the version that served before the champion' },
        body: ReasonBody,
        response: answers({}, 400, 409, 415, 503),
      },
    },
    async (request) => {
      const reason = request.body?.reason ?? 'rolled back over HTTP'
      return changeReply(await modelRegistry.rollback({ reason, now: context.now(), signal }))
    },
  )
}

function versionReply(
  version: ModelVersion,
  aliases: { readonly champion: string | null; readonly challenger: string | null },
) {
  const held = Object.entries(aliases).filter(([, holder]) => holder === version.version)
  return {
    ...{ version: version.version, aliases: held.map(([alias]) => alias), runId: version.runId },
    ...{ recipe: version.recipe, metrics: version.metrics, gate: version.gate },
    ...{ users: version.users, items: version.items, createdAt: new Date(version.createdAt).toISOString() },
  }
}

function changeReply({ alias, from, to, reason, at }: AliasChange) {
  return { alias, from, to, reason, at: new Date(at).toISOString() }
}
