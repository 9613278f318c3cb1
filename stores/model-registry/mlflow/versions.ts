import { randomUUID } from 'node:crypto'
import { MillraceError } from '../../../schemas/errors.ts'
import type { ModelVersion } from '../port.ts'
import type { MlflowClient } from './client.ts'
import { createOnce } from './create-once.ts'
import { fieldsFromTags, fieldsToTags, tagsOf } from './values.ts'
import type { Workspace } from './workspace.ts'

const LIST_MAX = 1_000
const CREATION_TAG = 'millrace.creation'
const FIELDS = [
  ...(['runId', 'artifactKey', 'recipe', 'metrics', 'gate', 'users', 'items', 'createdAt'] as const),
] satisfies readonly (keyof ModelVersion)[]

interface MlflowVersion {
  readonly version: string
  readonly tags?: readonly { key: string; value?: string }[]
}

/**
 * Model versions as versions of one registered model, one tag per field. MLflow numbers them, from 1, under a unique key of
 * its database, deleted ones included. Versions that others registered under the name are not ours: not listed, not known.
 */
export interface Versions {
  register(
    version: Omit<ModelVersion, 'version'>,
    mlflowRunId: string | null,
    signal: AbortSignal,
  ): Promise<ModelVersion>
  read(version: string, signal: AbortSignal): Promise<ModelVersion | null>
  /** Newest first. */
  newest(limit: number, signal: AbortSignal): Promise<readonly ModelVersion[]>
}

export function createVersions(client: MlflowClient, { values }: Workspace): Versions {
  const { name } = client.address
  const isOurs = (found: MlflowVersion) => tagsOf(found.tags).has(CREATION_TAG)

  async function decode(found: MlflowVersion, signal: AbortSignal): Promise<ModelVersion> {
    const owner = `model version ${found.version}`
    const fields = await fieldsFromTags<ModelVersion>(values, owner, tagsOf(found.tags), FIELDS, signal)
    return { ...fields, version: String(found.version) }
  }

  async function search(limit: number, signal: AbortSignal): Promise<readonly MlflowVersion[]> {
    const query = { filter: `name='${name}'`, max_results: String(limit), order_by: 'version_number DESC' }
    const request = { method: 'GET', path: 'model-versions/search', query } as const
    const found = await client.call<{ model_versions?: MlflowVersion[] }>('searching model versions', request, signal)
    return (found?.model_versions ?? []).filter(isOurs)
  }

  async function create(body: object, signal: AbortSignal): Promise<MlflowVersion> {
    const request = { method: 'POST', path: 'model-versions/create', body, repeatable: false } as const
    const made = await client.call<{ model_version: MlflowVersion }>('registering a model version', request, signal)
    return (made as { model_version: MlflowVersion }).model_version
  }

  return {
    async register(version, mlflowRunId, signal) {
      const creation = randomUUID()
      const tags = [{ key: CREATION_TAG, value: creation }, ...(await fieldsToTags(values, version, signal))]
      const body = {
        ...{ name, tags, source: `millrace:/${version.artifactKey}` },
        ...(mlflowRunId === null ? {} : { run_id: mlflowRunId }),
      }
      const made = await createOnce(
        () => create(body, signal),
        async () =>
          (await search(LIST_MAX, signal)).find((one) => tagsOf(one.tags).get(CREATION_TAG) === creation) ?? null,
      )
      return { ...version, version: String(made.version) }
    },
    async read(version, signal) {
      if (!/^[1-9]\d{0,8}$/.test(version)) return null
      const request = { method: 'GET', path: 'model-versions/get', query: { name, version } } as const
      const found = await client.call<{ model_version: MlflowVersion }>(
        `reading model version ${version}`,
        { ...request, refusals: ['RESOURCE_DOES_NOT_EXIST'] },
        signal,
      )
      return found !== null && isOurs(found.model_version) ? await decode(found.model_version, signal) : null
    },
    async newest(limit, signal) {
      if (limit <= 0) return []
      const versions: ModelVersion[] = []
      for (const found of await search(Math.min(LIST_MAX, limit), signal)) versions.push(await decode(found, signal))
      return versions
    },
  }
}

export function unknownVersion(version: string): MillraceError {
  return new MillraceError('MODEL_NOT_FOUND', `model version ${version} is not registered`, { field: 'version' })
}
