import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import type { Scorer } from '../../engine/scoring/port.ts'
import { isMillraceError, MillraceError } from '../../schemas/errors.ts'
import type { ModelVersion } from '../../stores/model-registry/port.ts'
import type { Backends, ServiceContext } from './context.ts'
import { loadScorer } from './load-scorer.ts'
import { createModelCache, type ModelCache, modelCacheFolder } from './model-cache.ts'
import { repeatedly, type Tasks } from './tasks.ts'

/** How often the champion alias is asked for. */
const CHAMPION_POLL_MS = 2_000

/** One champion, loaded and ready. A request takes `current()` once and keeps it to its end. */
export interface ServingModel {
  readonly version: string
  /**
   * The version, and a sign of the run that made it. Factors and lists carry this: a registry that was emptied counts from
   * version 1 again, and what the old 1 has left behind must not pass for the new one's.
   */
  readonly id: string
  readonly scorer: Scorer
  /** Epoch milliseconds. */
  readonly trainedAt: number
  readonly metrics: Readonly<Record<string, number>>
}

export interface ServingModels {
  /** null until the first model exists. */
  current(): ServingModel | null
}

export interface ChampionWatch extends ServingModels {
  /** Loads the champion if it is another than the current one. The current one keeps serving when that fails. */
  refresh(signal: AbortSignal): Promise<void>
}

/**
 * Serves the registry's champion. The first load falls back to the local cache when registry or artifacts do not answer;
 * a broken artifact never replaces a model that works.
 */
export function watchChampion(
  backends: Pick<Backends, 'modelRegistry' | 'artifacts'>,
  parts: { readonly cache: ModelCache; readonly logger: Logger },
): ChampionWatch {
  let serving: ServingModel | null = null
  let reported = ''
  /** The champion was seen to be the serving one, and the registry has had one ever since. */
  let confirmed = false
  /** What the local cache has not taken yet. */
  let unkept: { readonly version: ModelVersion; readonly content: Uint8Array } | null = null

  /** A disk that is full costs a later restart without registry its model, and not this one its service. */
  async function keepForRestart(): Promise<void> {
    if (unkept === null) return
    const { version, content } = unkept
    try {
      await parts.cache.write(version, content)
      unkept = null
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      throw new MillraceError(
        'DISK_FULL',
        `model ${version.version} serves but cannot be kept in the local cache, which is tried again: ${(error as Error).message}`,
        { cause: error },
      )
    }
  }

  async function load(signal: AbortSignal): Promise<void> {
    const version = await backends.modelRegistry.alias('champion', { signal })
    if (version === null) confirmed = false
    if (version === null || (confirmed && version === serving?.version)) return await keepForRestart()
    const described = await backends.modelRegistry.getVersion(version, { signal })
    if (!described) throw new MillraceError('MODEL_NOT_FOUND', `champion ${version} is not in the model registry`)
    confirmed = idOf(described) === serving?.id
    if (confirmed) return
    const content = await backends.artifacts.get(described.artifactKey, { signal })
    if (!content) {
      throw new MillraceError('CORRUPT_FILE', `artifact ${described.artifactKey} of model ${version} is missing`, {
        field: described.artifactKey,
      })
    }
    serving = await makeReady(described, content, signal)
    confirmed = true
    unkept = { version: described, content }
    parts.logger.info({ version, items: serving.scorer.model.itemIds.length }, 'model is serving')
    await keepForRestart()
  }

  async function loadCached(signal: AbortSignal): Promise<void> {
    const cached = await parts.cache.read()
    if (cached === null) return
    serving = await makeReady(cached.version, cached.content, signal)
    parts.logger.warn({ version: serving.version }, 'serving the model of the local cache')
  }

  return {
    current: () => serving,
    async refresh(signal) {
      try {
        await load(signal)
        reported = ''
      } catch (error) {
        if (signal.aborted) return
        if (!isMillraceError(error)) throw error
        if (error.message !== reported)
          parts.logger.warn({ code: error.code }, `model not refreshed or not kept: ${error.message}`)
        reported = error.message
        if (serving !== null) return
        await loadCached(signal).catch((failure: unknown) => {
          if (!signal.aborted) throw failure
        })
      }
    },
  }
}

/** Loads the champion now, and looks for another one every two seconds until the tasks end. */
export async function startChampionWatch(
  { settings, logger }: ServiceContext,
  backends: Pick<Backends, 'modelRegistry' | 'artifacts'>,
  tasks: Tasks,
  opening: AbortSignal,
): Promise<ServingModels> {
  const models = watchChampion(backends, { cache: createModelCache(modelCacheFolder(settings.DATA_DIR)), logger })
  await models.refresh(opening)
  const watching = repeatedly(CHAMPION_POLL_MS, () => models.refresh(tasks.signal), tasks.signal)
  tasks.add('champion', watching)
  return models
}

async function makeReady(described: ModelVersion, content: Uint8Array, signal: AbortSignal): Promise<ServingModel> {
  const scorer = await loadScorer(content, signal)
  const { version, createdAt, metrics } = described
  return { version, id: idOf(described), scorer, trainedAt: createdAt, metrics }
}

function idOf({ version, runId }: ModelVersion): string {
  return `${version}-${createHash('sha256').update(runId).digest('hex').slice(0, 8)}`
}
