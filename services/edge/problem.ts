import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { type ErrorCode, HTTP_STATUS, isMillraceError } from '../../schemas/errors.ts'
import type { Outages } from '../runtime/outages.ts'
import { explainViolation, type Violation } from './validation.ts'

/** RFC 9457 problem details; `instance` is the request's id. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly field?: string
  readonly instance: string
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request cannot be understood',
  404: 'Not found',
  409: 'Conflict with the current state',
  413: 'The request is too large',
  415: 'The content type is not supported',
  429: 'Too many requests',
  500: 'The server failed',
  503: 'Not available right now',
  507: 'No space left',
}
const RETRY_AFTER_SECONDS = '1'

/** Fastify's own refusals in Millrace's words. */
const FRAMEWORK_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_BODY_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
}

export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  code: ErrorCode,
  detail: string,
  more: { readonly field?: string | null } & Readonly<Record<string, unknown>> = {},
): FastifyReply {
  const status = HTTP_STATUS[code]
  const { field, ...rest } = more
  const problem: Problem = {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    code,
    ...(field ? { field } : {}),
    instance: request.id,
    ...rest,
  }
  if (status === 503 || status === 429) reply.header('retry-after', RETRY_AFTER_SECONDS)
  return reply.code(status).type('application/problem+json').send(JSON.stringify(problem))
}

/** Answers every error of a handler, of validation and of Fastify itself; what nobody foresaw is logged and told as 500. */
export function answerErrors(logger: Logger, outages: Outages) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    if (isMillraceError(error)) {
      if (error.httpStatus >= 500) outages.failed(error, `${request.method} ${request.routeOptions.url} is refused`)
      return sendProblem(request, reply, error.code, error.message, { field: error.field })
    }
    const violation = (error.validation as readonly Violation[] | undefined)?.[0]
    if (violation) {
      const { field, detail } = explainViolation(violation)
      const place = error.validationContext === 'body' ? '' : `${error.validationContext} `
      return sendProblem(request, reply, 'INVALID_REQUEST', `${place}${detail}`, { field })
    }
    const status = error.statusCode ?? 500
    if (status >= 400 && status < 500) {
      const code = FRAMEWORK_CODES[error.code] ?? (status === 404 ? 'ROUTE_NOT_FOUND' : 'INVALID_REQUEST')
      return sendProblem(request, reply, code, error.message)
    }
    logger.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
    return sendProblem(request, reply, 'INTERNAL', 'this request failed unexpectedly; the server log has its id')
  }
}
