import { categoryCentroids } from '../../engine/scoring/centroids.ts'
import type { Scorer } from '../../engine/scoring/port.ts'
import type { Catalogue } from '../runtime/catalogue-port.ts'
import type { ServingModel, ServingModels } from '../runtime/serving-model.ts'

/** A changing catalogue places unseen items anew at most this often. */
const SUPPLEMENT_MS = 2_000

/** A serving model that knows this process's catalogue. Valid until the next await: the next `prepare` may change it. */
export interface PreparedModel {
  readonly version: string
  readonly scorer: Scorer
  /** Indexes of withdrawn items, always of the catalogue's current revision. */
  readonly withdrawn: Int32Array
  /** false while items of the catalogue's newest revision still wait for their vectors: such lists are not cached. */
  readonly complete: boolean
}

interface State {
  readonly serving: ServingModel
  supplementRevision: string
  supplementAt: number
  withdrawnRevision: string
  withdrawn: Int32Array
}

const UNPREPARED = {
  // No revision looks like this: a new model is always prepared once.
  supplementRevision: 'none',
  supplementAt: -Infinity,
  withdrawnRevision: 'none',
  withdrawn: new Int32Array(0),
}

/**
 * Returns a function that gives the current model, with the catalogue's unseen items at their categories' centroids:
 * brought up to date when model or catalogue changed, the latter at most every two seconds. null without a model.
 */
export function createModelPreparation(
  models: ServingModels,
  catalogue: Catalogue,
  now: () => number,
): () => PreparedModel | null {
  let state: State | null = null
  return () => {
    const serving = models.current()
    if (serving === null) return null
    const { revision } = catalogue
    if (state?.serving !== serving) {
      state = { serving, ...UNPREPARED }
    }
    const { scorer, version } = serving
    if (state.supplementRevision !== revision && isOver(now() - state.supplementAt)) {
      placeUnseenItems(scorer, catalogue)
      state.supplementRevision = revision
      state.supplementAt = now()
      state.withdrawnRevision = 'none'
    }
    if (state.withdrawnRevision !== revision) {
      state.withdrawn = withdrawnIndexes(scorer, catalogue)
      state.withdrawnRevision = revision
    }
    const complete = state.supplementRevision === revision
    return { version, scorer, withdrawn: state.withdrawn, complete }
  }
}

/** A clock that was set back must not make anyone wait until it is where it was. */
function isOver(elapsedMs: number): boolean {
  return elapsedMs >= SUPPLEMENT_MS || elapsedMs < 0
}

function placeUnseenItems(scorer: Scorer, catalogue: Catalogue): void {
  const modelItems = scorer.model.itemIds.length
  const centroids = categoryCentroids(scorer.model, (itemId) => catalogue.item(itemId)?.categories ?? [])
  const itemIds: string[] = []
  const vectors: Float32Array[] = []
  for (const { itemId, categories } of catalogue.items()) {
    if ((scorer.indexOf(itemId) ?? Infinity) < modelItems) continue
    const vector = centroids.vectorOf(categories)
    if (vector === null) continue
    itemIds.push(itemId)
    vectors.push(vector)
  }
  const width = scorer.model.recipe.factors
  const factors = new Float32Array(itemIds.length * width)
  vectors.forEach((vector, at) => {
    factors.set(vector, at * width)
  })
  scorer.setSupplement(itemIds, factors)
}

function withdrawnIndexes(scorer: Scorer, catalogue: Catalogue): Int32Array {
  const indexes: number[] = []
  for (const itemId of catalogue.withdrawn()) {
    const item = scorer.indexOf(itemId)
    if (item !== undefined) indexes.push(item)
  }
  return Int32Array.from(indexes)
}
