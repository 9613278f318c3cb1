import { isMillraceError } from '../../schemas/errors.ts'
import type { GateVerdict } from '../../schemas/training.ts'
import type { ModelVersion, TrainingRun } from '../../stores/model-registry/port.ts'
import type { BackendsOf } from '../runtime/context.ts'
import type { Learned } from './learning-messages.ts'

const VERSIONS_LOOKED_AT = 100

export function modelKey(runId: string): string {
  return `models/${runId}/model.bin`
}

export function evaluationKey(runId: string): string {
  return `models/${runId}/evaluation.json`
}

/** Stores what was learned and registers it as a version, promoted or not. */
export async function register(
  runId: string,
  learned: Learned,
  backends: BackendsOf<'trainer'>,
  options: { readonly now: number; readonly signal: AbortSignal },
): Promise<ModelVersion> {
  const { signal } = options
  const model = await backends.artifacts.put(modelKey(runId), learned.encodedModel, { signal })
  await backends.artifacts.put(evaluationKey(runId), learned.evaluation, { signal })
  const { recipe, metrics, verdict: gate, users, items } = learned
  return await backends.modelRegistry.registerVersion(
    { runId, artifactKey: model.key, recipe, metrics, gate, users, items },
    options,
  )
}

/** The version that an earlier attempt at this run registered before it was interrupted; null without one. */
export async function registeredBefore(
  run: TrainingRun,
  backends: BackendsOf<'trainer'>,
  signal: AbortSignal,
): Promise<ModelVersion | null> {
  const versions = await backends.modelRegistry.listVersions({ limit: VERSIONS_LOOKED_AT, signal })
  return versions.find(({ runId }) => runId === run.runId) ?? null
}

/**
 * Promotes the version if the gate accepted it and the champion is still the one it was compared with (`expected`).
 * Repeating it changes nothing. Returns the verdict that holds in the end.
 */
export async function promoteIfAccepted(
  version: ModelVersion,
  expected: string | null,
  backends: BackendsOf<'trainer'>,
  options: { readonly now: number; readonly signal: AbortSignal },
): Promise<GateVerdict> {
  if (!version.gate.accepted) return version.gate
  const registry = backends.modelRegistry
  if ((await registry.alias('champion', options)) === version.version) return version.gate
  const reason = `training run ${version.runId}: ${version.gate.reasons[0] ?? 'accepted'}`
  try {
    await registry.promote(version.version, { reason, expected, ...options })
    return version.gate
  } catch (error) {
    if (!isMillraceError(error, 'CONFLICT')) throw error
    const now = await registry.alias('champion', options)
    const changed = `the champion changed from ${expected ?? 'none'} to ${now ?? 'none'} while this run was under way, so that the comparison no longer holds; train again or promote by hand`
    return { accepted: false, reasons: [changed, ...version.gate.reasons] }
  }
}
