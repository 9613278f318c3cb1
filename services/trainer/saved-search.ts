import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import type { SearchState } from '../../engine/learn/search.ts'
import { isMillraceError } from '../../schemas/errors.ts'
import { Recipe } from '../../schemas/training.ts'
import type { Artifacts } from '../../stores/artifacts/port.ts'

/**
 * What one attempt at a run leaves to the next: the window it read (next offsets by `topic/partition`) and every trial it
 * finished. A few hundred bytes a trial.
 */
const SavedSearch = Type.Object({
  version: Type.Literal(1),
  positions: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
  state: Type.Object({
    version: Type.Literal(1),
    key: Type.String(),
    trials: Type.Array(Type.Object({ recipe: Recipe, score: Type.Number() })),
  }),
})
export type SavedSearch = Static<typeof SavedSearch>

export function searchKey(runId: string): string {
  return `models/${runId}/search.json`
}

/** null when there is none, or none that this program understands: the search then starts anew. */
export async function readSavedSearch(
  runId: string,
  artifacts: Artifacts,
  signal: AbortSignal,
): Promise<SavedSearch | null> {
  try {
    const content = await artifacts.get(searchKey(runId), { signal })
    if (content === null) return null
    const parsed: unknown = JSON.parse(new TextDecoder().decode(content))
    return Value.Check(SavedSearch, parsed) ? parsed : null
  } catch (error) {
    if (error instanceof SyntaxError || isMillraceError(error, 'CORRUPT_FILE')) return null
    throw error
  }
}

/** Keeps the newest state of a search: one write at a time, states that come in meanwhile replace each other. */
export interface SearchSaver {
  save(state: SearchState): void
  /** Waits until the newest state is written, and takes no more. */
  stop(): Promise<void>
}

/** A write that fails is reported to `onFailure` and otherwise left: without it a next attempt has more to do. */
export function createSearchSaver(
  runId: string,
  positions: ReadonlyMap<string, number>,
  artifacts: Artifacts,
  options: { readonly signal: AbortSignal; readonly onFailure: (error: unknown) => void },
): SearchSaver {
  const { signal } = options
  let next: SearchState | null = null
  let writing: Promise<void> | null = null
  let stopped = false
  const write = async (): Promise<void> => {
    for (; next !== null; ) {
      const saved: SavedSearch = {
        version: 1,
        positions: Object.fromEntries(positions),
        state: { ...next, trials: [...next.trials] },
      }
      next = null
      await artifacts.put(searchKey(runId), new TextEncoder().encode(JSON.stringify(saved)), { signal })
    }
  }
  return {
    save(state) {
      if (stopped) return
      next = state
      writing ??= write()
        .catch(options.onFailure)
        .finally(() => {
          writing = null
        })
    },
    async stop() {
      stopped = true
      await writing
    },
  }
}
