import { MillraceError } from '../../schemas/errors.ts'
import type { TrainingRun } from '../../stores/model-registry/port.ts'
import type { BackendsOf, ServiceContext } from '../runtime/context.ts'
import type { LearningTask } from './learning-messages.ts'
import { packIds } from './packed-ids.ts'
import type { SavedSearch } from './saved-search.ts'

/** Everything one attempt starts from. */
export interface TrainingWindow {
  readonly task: LearningTask
  readonly championVersion: string | null
  /** Next offsets by `topic/partition`: the events below them are the window. */
  readonly positions: ReadonlyMap<string, number>
  readonly lineage: Readonly<Record<string, string>>
}

/**
 * Reads the champion and the events below the store's positions; those of an earlier attempt at the same run, where its
 * search goes on: all attempts learn from the same events.
 */
export async function readWindow(
  run: TrainingRun,
  context: ServiceContext,
  backends: BackendsOf<'trainer'>,
  parts: { readonly codeVersion: string; readonly saved: SavedSearch | null },
  signal: AbortSignal,
): Promise<TrainingWindow> {
  const { settings, eventWeights } = context
  const { saved, codeVersion } = parts
  const positions = saved ? new Map(Object.entries(saved.positions)) : await backends.eventStore.positions({ signal })
  const champion = await readChampion(backends, signal)
  const columns = await backends.eventStore.columns({ until: positions, signal })
  const [users, items] = [await packIds(columns.users), await packIds(columns.items)]
  return {
    positions,
    championVersion: champion?.version ?? null,
    task: {
      columns: { ...columns, users, items },
      champion,
      settings: {
        weights: eventWeights.weights,
        valueScaledTypes: [...eventWeights.valueScaledTypes],
        halfLifeDays: settings.HALF_LIFE_DAYS,
        parameters: run.parameters,
        trials: settings.TRAIN_TRIALS,
        threads: settings.TRAIN_THREADS,
        searchState: saved?.state ?? null,
      },
    },
    lineage: {
      positions: JSON.stringify(Object.fromEntries([...positions].sort(([left], [right]) => (left < right ? -1 : 1)))),
      code_version: codeVersion,
      events: String(columns.length),
      data_from: columns.length === 0 ? '' : isoTime(columns.timestamp[0]!),
      data_until: columns.length === 0 ? '' : isoTime(columns.timestamp[columns.length - 1]!),
      champion: champion?.version ?? '',
      event_weights: JSON.stringify(eventWeights.weights),
      half_life_days: String(settings.HALF_LIFE_DAYS),
    },
  }
}

async function readChampion(backends: BackendsOf<'trainer'>, signal: AbortSignal): Promise<LearningTask['champion']> {
  const version = await backends.modelRegistry.alias('champion', { signal })
  if (version === null) return null
  const registered = await backends.modelRegistry.getVersion(version, { signal })
  const encoded = registered && (await backends.artifacts.get(registered.artifactKey, { signal }))
  if (!registered || !encoded) {
    throw new MillraceError(
      'MODEL_NOT_FOUND',
      `champion ${version} cannot be compared with: its ${registered ? `artifact ${registered.artifactKey}` : 'entry'} is missing; promote another version`,
    )
  }
  return { version, recordedNdcg: registered.metrics.ndcg_at_10 ?? 0, encoded }
}

function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString()
}
