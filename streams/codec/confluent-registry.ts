import { setTimeout as pause } from 'node:timers/promises'
import { SchemaRegistry as Client, type COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry'
import { MillraceError } from '../../schemas/errors.ts'
import type { SchemaRegistry } from './port.ts'

const TIMEOUT_MS = 10_000
/** Of a reason, which may be a whole page where no registry answers. */
const REASON_CHARACTERS_MAX = 1_000
const REGISTER_ATTEMPTS_MAX = 4
const REGISTER_PAUSE_MS = 100
/** Levels under which a new version always reads what old producers write. */
const BACKWARD_LEVELS: readonly string[] = ['BACKWARD', 'BACKWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE']
const BACKWARD = 'BACKWARD'
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'

/**
 * A Confluent-compatible registry at `url`, with user:password@ where it asks for them. Every subject is held to backward
 * compatibility before anything is registered under it: a stricter level stays, a looser one is raised.
 * @throws MillraceError CONFIG_INVALID for an unusable URL.
 */
export function openConfluentRegistry(url: string): SchemaRegistry {
  const { host, auth } = addressOf(url)
  const client = new Client({ host, ...(auth === null ? {} : { auth }), retry: { retries: 2 } })
  const headers: Record<string, string> = { 'content-type': CONTENT_TYPE }
  if (auth !== null) headers.authorization = `Basic ${btoa(`${auth.username}:${auth.password}`)}`

  async function ask(method: string, path: string, body?: unknown): Promise<Response> {
    try {
      return await fetch(`${host}${path}`, {
        method,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    } catch (cause) {
      throw unavailable(host, cause)
    }
  }

  /** The subject's level, at least backward; that is what registering under it must name. */
  async function levelOf(subject: string): Promise<string> {
    const path = `/config/${encodeURIComponent(subject)}`
    const answer = await ask('GET', path)
    if (answer.ok) {
      const { compatibilityLevel } = (await answer.json()) as { compatibilityLevel: string }
      if (BACKWARD_LEVELS.includes(compatibilityLevel.toUpperCase())) return compatibilityLevel.toUpperCase()
    } else if (answer.status !== 404) {
      throw refusal(host, `the compatibility of ${subject}`, answer.status, await answer.text())
    }
    const raised = await ask('PUT', path, { compatibility: BACKWARD })
    // 404: the subject is new, and registering it sets the level.
    if (!raised.ok && raised.status !== 404) {
      throw refusal(host, `the compatibility of ${subject}`, raised.status, await raised.text())
    }
    return BACKWARD
  }

  return {
    async register(subject, schemaText) {
      for (let attempt = 1; ; attempt++) {
        try {
          const compatibility = (await levelOf(subject)) as COMPATIBILITY
          const schema = { type: SchemaType.AVRO, schema: schemaText } as const
          return (await client.register(schema, { subject, compatibility })).id
        } catch (cause) {
          const failure = failureOf(host, `the schema of ${subject}`, cause)
          // Processes that start together race for a new subject; who lost finds it there the next time.
          if (failure.code !== 'CONFLICT' || attempt === REGISTER_ATTEMPTS_MAX) throw failure
          await pause(REGISTER_PAUSE_MS * attempt)
        }
      }
    },
    async schema(id) {
      try {
        const found = await client.getSchema(id)
        return 'schema' in found && typeof found.schema === 'function' ? exported(found as AvroType) : null
      } catch (cause) {
        if ((cause as { status?: unknown }).status === 404) return null
        throw failureOf(host, `schema id ${id}`, cause)
      }
    },
  }
}

/** An avsc type, as far as it is used here; its JSON form leaves names in place. */
interface AvroType {
  schema(options: { exportAttrs: boolean }): unknown
}

function exported(type: AvroType): string {
  return JSON.stringify(type.schema({ exportAttrs: true }))
}

function addressOf(url: string): { host: string; auth: { username: string; password: string } | null } {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch (cause) {
    throw invalid('SCHEMA_REGISTRY_URL is not a URL', cause)
  }
  if (!/^https?:$/.test(parsed.protocol))
    throw invalid(`SCHEMA_REGISTRY_URL has ${parsed.protocol}, it is http or https`)
  const { username, password } = parsed
  const host = `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`
  if (username === '') return { host, auth: null }
  return { host, auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) } }
}

function failureOf(host: string, what: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause
  const { status } = cause as { status?: unknown }
  const message = cause instanceof Error ? cause.message : String(cause)
  const answered = typeof status === 'number' && !/ECONN|ENOTFOUND|EAI_AGAIN|socket|timeout/i.test(message)
  return answered ? refusal(host, what, status, message, cause) : unavailable(host, cause)
}

function refusal(host: string, what: string, status: number, reason: string, cause?: unknown): MillraceError {
  const text = `the schema registry ${host} (SCHEMA_REGISTRY_URL) refused ${what} with ${status}: ${oneLine(reason)}`
  if (status >= 500) return new MillraceError('LOG_UNAVAILABLE', text, { cause })
  if (status === 409 || status === 422) return new MillraceError('CONFLICT', text, { cause })
  return invalid(text, cause)
}

function unavailable(host: string, cause: unknown): MillraceError {
  const reason = cause instanceof Error ? String((cause.cause as Error | undefined)?.message ?? cause.message) : ''
  const message = `the schema registry ${host} (SCHEMA_REGISTRY_URL) does not answer: ${oneLine(reason)}`
  return new MillraceError('LOG_UNAVAILABLE', message, { cause, field: 'SCHEMA_REGISTRY_URL' })
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, REASON_CHARACTERS_MAX)
}

function invalid(message: string, cause?: unknown): MillraceError {
  return new MillraceError('CONFIG_INVALID', message, { cause, field: 'SCHEMA_REGISTRY_URL' })
}
