/** Every way Millrace refuses or fails, and the HTTP status each one answers with. The union is closed. */
export const HTTP_STATUS = {
  INVALID_REQUEST: 400,
  INVALID_EVENT: 400,
  UNKNOWN_EVENT_TYPE: 400,
  TIMESTAMP_OUT_OF_RANGE: 400,
  OPERATION_NOT_SUPPORTED: 400,
  TOO_MANY_EVENTS: 400,
  INVALID_TOKEN: 400,
  INVALID_PARAMETERS: 400,
  INVALID_MATRIX: 400,
  INVALID_INPUT_FILE: 400,
  ROUTE_NOT_FOUND: 404,
  ITEM_NOT_FOUND: 404,
  USER_NOT_FOUND: 404,
  RUN_NOT_FOUND: 404,
  MODEL_NOT_FOUND: 404,
  CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  TOO_MANY_REQUESTS: 429,
  INTERNAL: 500,
  CONFIG_INVALID: 500,
  LOG_RESET: 500,
  CORRUPT_FILE: 500,
  UNKNOWN_FORMAT: 500,
  FOLDER_LOCKED: 500,
  FOLDER_NOT_WRITABLE: 500,
  TOO_LARGE_FOR_MEMORY: 500,
  ABORTED: 503,
  OVERLOADED: 503,
  LOG_UNAVAILABLE: 503,
  STATE_UNAVAILABLE: 503,
  STORE_UNAVAILABLE: 503,
  REGISTRY_UNAVAILABLE: 503,
  ARTIFACTS_UNAVAILABLE: 503,
  NOT_READY: 503,
  DISK_FULL: 507,
} as const

export type ErrorCode = keyof typeof HTTP_STATUS

/**
 * The one error class. `message` says what failed, with which numbers, and what happens next;
 * `field` names the offending field, parameter or file where there is one; `cause` keeps the original.
 */
export class MillraceError extends Error {
  readonly code: ErrorCode
  readonly field: string | null

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; field?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MillraceError'
    this.code = code
    this.field = options.field ?? null
  }

  get httpStatus(): number {
    return HTTP_STATUS[this.code]
  }
}

export function isMillraceError(error: unknown, code?: ErrorCode): error is MillraceError {
  return error instanceof MillraceError && (code === undefined || error.code === code)
}

/** Marks what only a bug can make false: crashes, the supervisor restarts. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`)
}
