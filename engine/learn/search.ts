import type { Recipe } from '../../schemas/training.ts'

/** Share of the trials that a rung keeps: 1 / ETA (Jamieson & Talwalkar 2016). */
const ETA = 3

/** One recipe's score after so many iterations (`recipe.iterations`), on the validation slice. */
export interface Trial {
  readonly recipe: Recipe
  readonly ndcg_at_10: number
}

/** Fits a recipe for its number of iterations, continuing from what it returned for fewer of them, and scores it. */
export type RunTrial<Fitted> = (
  recipe: Recipe,
  previous: Fitted | null,
  iterationsDone: number,
) => Promise<{ fitted: Fitted; ndcg: number }>

export interface SearchResult {
  /** With its full number of iterations. */
  readonly best: Recipe
  /** Every measurement in order, also those of recipes that were dropped. */
  readonly trials: readonly Trial[]
}

/**
 * Successive halving over candidate recipes: all start with a fraction of the iterations, each rung keeps the best third
 * and lets them continue, until one is left or the iterations are spent. Ties go to the earlier candidate. Deterministic:
 * no randomness beyond the recipes' own. One candidate is returned unmeasured.
 */
export async function successiveHalving<Fitted>(
  candidates: readonly Recipe[],
  run: RunTrial<Fitted>,
): Promise<SearchResult> {
  const trials: Trial[] = []
  let entries = candidates.map((recipe) => ({ recipe, fitted: null as Fitted | null, ndcg: 0, iterations: 0 }))
  for (let rung = 0; entries.length > 1; rung++) {
    const measured: typeof entries = []
    for (const entry of entries) {
      const iterations = iterationsAt(rung, entry.recipe.iterations, candidates.length)
      if (iterations === entry.iterations) {
        measured.push(entry)
        continue
      }
      const recipe = { ...entry.recipe, iterations }
      const { fitted, ndcg } = await run(recipe, entry.fitted, entry.iterations)
      trials.push({ recipe, ndcg_at_10: ndcg })
      measured.push({ recipe: entry.recipe, fitted, ndcg, iterations })
    }
    const kept = Math.floor(measured.length / ETA)
    const best = measured.toSorted((left, right) => right.ndcg - left.ndcg)
    entries = best.slice(0, Math.max(1, kept))
  }
  return { best: entries[0]!.recipe, trials }
}

/** Rungs grow by ETA up to the recipe's iterations; few candidates start higher, as there are fewer rungs to climb. */
export function iterationsAt(rung: number, iterations: number, candidates: number): number {
  const rungs = Math.max(1, Math.ceil(Math.log(candidates) / Math.log(ETA) - 1e-9))
  const first = Math.max(Math.min(3, iterations), Math.ceil(iterations / ETA ** (rungs - 1)))
  return Math.min(iterations, first * ETA ** rung)
}
