import type { LearnProgress } from '../../engine/learn/port.ts'
import type { ModelRegistry } from '../../stores/model-registry/port.ts'

const PATCH_INTERVAL_MS = 500

/** Tells the registry how far a run is: at most twice a second, one patch at a time, the newest state wins. */
export interface RunProgress {
  report(progress: LearnProgress): void
  /** Waits for the patch under way and sends no more. */
  stop(): Promise<void>
}

/**
 * A patch that fails is otherwise left: progress is no reason to fail a run. `onFailure` is told of the first one, and
 * of the next after one that succeeded.
 */
export function createRunProgress(
  registry: ModelRegistry,
  runId: string,
  options: { readonly now: () => number; readonly signal: AbortSignal; readonly onFailure: (error: unknown) => void },
): RunProgress {
  let patching: Promise<void> | null = null
  let patchedAt = -Infinity
  let stopped = false
  let failing = false
  return {
    report({ progress, message }) {
      if (stopped || patching !== null || options.now() - patchedAt < PATCH_INTERVAL_MS) return
      patchedAt = options.now()
      patching = registry
        .updateRun(runId, { progress, message }, { signal: options.signal })
        .then(
          () => {
            failing = false
          },
          (error) => {
            if (!failing) options.onFailure(error)
            failing = true
          },
        )
        .finally(() => {
          patching = null
        })
    },
    async stop() {
      stopped = true
      await patching
    },
  }
}
