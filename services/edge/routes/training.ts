import { Type } from 'typebox'
import { MillraceError } from '../../../schemas/errors.ts'
import { Id } from '../../../schemas/identifiers.ts'
import { TrainingParameters } from '../../../schemas/training.ts'
import type { TrainingRun } from '../../../stores/model-registry/port.ts'
import { requestTraining } from '../../runtime/training-request.ts'
import type { EdgeApp, EdgeServices } from '../parts.ts'
import { answers, RunReply } from '../reply-schemas.ts'

const tags = ['training']

export function trainingRoutes(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  const { backends, codecs, context } = services

  app.post(
    '/training/train',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, summary: 'Request a training run; the request itself goes through the log' },
        body: Type.Object(
          { model_type: Type.Optional(Type.Literal('als')), parameters: Type.Optional(TrainingParameters) },
          { additionalProperties: false },
        ),
        response: answers({ 202: Type.Object({ runId: Type.String() }) }, 400, 415, 503),
      },
    },
    async (request, reply) => {
      const parameters = request.body.parameters ?? {}
      const { runId } = await requestTraining(backends, codecs, parameters, context.now(), { signal })
      return reply.code(202).send({ runId })
    },
  )

  app.get(
    '/training/runs',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, summary: 'Training runs, newest first' },
        querystring: Type.Object(
          { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 50 })) },
          { additionalProperties: false },
        ),
        response: answers({ 200: Type.Object({ runs: Type.Array(RunReply) }) }, 400, 503),
      },
    },
    async (request) => {
      const runs = await backends.modelRegistry.listRuns({ limit: request.query.limit ?? 50, signal })
      return { runs: runs.map(runReply) }
    },
  )

  app.get(
    '/training/runs/:id',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, summary: 'One training run', params: Type.Object({ id: Id }) },
        response: answers({ 200: RunReply }, 400, 404, 503),
      },
    },
    async (request) => runReply(await knownRun(services, request.params.id, signal)),
  )

  evaluationRoute(app, services, signal)
}

function evaluationRoute(app: EdgeApp, services: EdgeServices, signal: AbortSignal): void {
  app.get(
    '/training/evaluate/:run',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, summary: 'The full evaluation of a run: metrics, baselines, slices, intervals' },
        params: Type.Object({ run: Id }),
        response: answers({}, 400, 404, 503),
      },
    },
    async (request, reply) => {
      const { runId, state } = await knownRun(services, request.params.run, signal, 'run')
      const content = await services.backends.artifacts.get(evaluationKey(runId), { signal })
      if (content === null) {
        throw new MillraceError('RUN_NOT_FOUND', `run "${runId}" is ${state} and has no evaluation`, { field: 'run' })
      }
      return reply.header('content-type', 'application/json; charset=utf-8').send(Buffer.from(content))
    },
  )
}

/** Where a trainer puts a run's evaluation. */
export function evaluationKey(runId: string): string {
  return `models/${runId}/evaluation.json`
}

async function knownRun(
  { backends }: EdgeServices,
  runId: string,
  signal: AbortSignal,
  field = 'id',
): Promise<TrainingRun> {
  const run = await backends.modelRegistry.getRun(runId, { signal })
  if (run === null) throw new MillraceError('RUN_NOT_FOUND', `there is no training run "${runId}"`, { field })
  return run
}

function runReply(run: TrainingRun) {
  const iso = (time: number | null) => (time === null ? null : new Date(time).toISOString())
  return {
    ...{ runId: run.runId, state: run.state, progress: run.progress, message: run.message, metrics: run.metrics },
    ...{ gate: run.gate, modelVersion: run.modelVersion, modelType: run.modelType, parameters: run.parameters },
    ...{ recipe: run.recipe, attempts: run.attempts, lineage: run.lineage },
    ...{ createdAt: iso(run.createdAt), startedAt: iso(run.startedAt), finishedAt: iso(run.finishedAt) },
  }
}
