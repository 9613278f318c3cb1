import { createHash } from 'node:crypto'
import { invariant, MillraceError } from '../../../schemas/errors.ts'
import type { MlflowClient } from './client.ts'

/** MLflow cuts longer tags (5,000 characters in older releases, 8,000 now) without a word. */
const TAG_CHARACTERS_MAX = 4_500
const CACHED_MAX = 100
const FOLDER = 'millrace-values'
const REFERENCE = /^@([0-9a-f]{64})$/

/** A value as the text of one tag. */
export interface Values {
  /** JSON; beyond a tag's length an artifact of the proxy, named by its SHA-256, which the tag then refers to. */
  toTag(key: string, value: unknown, signal: AbortSignal): Promise<Tag>
  /** @throws MillraceError CORRUPT_FILE naming `owner` and `key` for what is not what was written. */
  fromTag(owner: string, key: string, tags: Tags, signal: AbortSignal): Promise<unknown>
}

export interface Tag {
  readonly key: string
  readonly value: string
}
export type Tags = ReadonlyMap<string, string>

export function tagsOf(tags: readonly { key: string; value?: string }[] | undefined): Tags {
  return new Map((tags ?? []).map(({ key, value }) => [key, value ?? '']))
}

/** `artifactUri` is where long values go: that of the run that anchors this registry. */
export function createValues(client: MlflowClient, artifactUri: string): Values {
  const cached = new Map<string, string>()
  const root = /^mlflow-artifacts:(?:\/\/[^/]*)?\/(.+)$/.exec(artifactUri)?.[1]

  function pathOf(hash: string): string {
    if (root === undefined)
      throw new MillraceError(
        'CONFIG_INVALID',
        `MODEL_REGISTRY_URL (${client.address.base}): this MLflow does not serve artifacts, so values over ${TAG_CHARACTERS_MAX} characters cannot be kept; start it with --serve-artifacts`,
        { field: 'MODEL_REGISTRY_URL' },
      )
    return `${root}/${FOLDER}/${hash}.json`
  }

  async function readLong(hash: string, signal: AbortSignal): Promise<string | null> {
    const known = cached.get(hash)
    if (known !== undefined) return known
    const text = await client.getArtifact(pathOf(hash), signal)
    if (text === null || sha256(text) !== hash) return null
    if (cached.size >= CACHED_MAX) cached.clear()
    cached.set(hash, text)
    return text
  }

  return {
    async toTag(key, value, signal) {
      const text = JSON.stringify(value, refuseNonFinite)
      if (text.length <= TAG_CHARACTERS_MAX) return { key, value: text }
      const hash = sha256(text)
      await client.putArtifact(pathOf(hash), text, signal)
      return { key, value: `@${hash}` }
    },
    async fromTag(owner, key, tags, signal) {
      const value = tags.get(key)
      const hash = REFERENCE.exec(value ?? '')?.[1]
      const text = hash === undefined ? value : await readLong(hash, signal)
      try {
        return JSON.parse(text ?? '')
      } catch (cause) {
        throw new MillraceError('CORRUPT_FILE', `${owner} in MLflow is damaged: its ${key} is missing or not ours`, {
          ...{ cause, field: owner },
        })
      }
    },
  }
}

/** One tag per field, named `millrace.FIELD`. */
export async function fieldsToTags(values: Values, fields: object, signal: AbortSignal): Promise<Tag[]> {
  const tags: Tag[] = []
  for (const [field, value] of Object.entries(fields)) tags.push(await values.toTag(keyOf(field), value, signal))
  return tags
}

/** @throws MillraceError CORRUPT_FILE when one of the fields is missing or damaged. */
export async function fieldsFromTags<T extends object>(
  values: Values,
  owner: string,
  tags: Tags,
  fields: readonly (keyof T & string)[],
  signal: AbortSignal,
): Promise<T> {
  const entries: [string, unknown][] = []
  for (const field of fields) entries.push([field, await values.fromTag(owner, keyOf(field), tags, signal)])
  return Object.fromEntries(entries) as T
}

function keyOf(field: string): string {
  return `millrace.${field}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** JSON would turn NaN and infinities into null without a word. */
function refuseNonFinite(key: string, value: unknown): unknown {
  invariant(typeof value !== 'number' || Number.isFinite(value), `${key} is ${value}, which JSON cannot hold`)
  return value
}
