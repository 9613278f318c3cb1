import { centroidsInSteps } from '../../engine/scoring/centroids.ts'
import type { Scorer } from '../../engine/scoring/port.ts'
import type { Catalogue } from '../runtime/catalogue-port.ts'
import { inSlices } from '../runtime/in-slices.ts'
import type { ServingModel, ServingModels } from '../runtime/serving-model.ts'

/** A changing catalogue places unseen items anew at most this often. */
const SUPPLEMENT_MS = 2_000
/** A larger catalogue and model are gone through between other work. */
const AT_ONCE_ITEMS_MAX = 20_000
/** More vectors than these, a few microseconds each, are indexed in another thread. */
const AT_ONCE_VECTORS_MAX = 2_000
/** Catalogue items between two looks at the time. */
const ITEMS_PER_STEP = 256

/** A serving model that knows this process's catalogue. Valid until the next await: the next `prepare` may change it. */
export interface PreparedModel {
  readonly version: string
  /** See ServingModel. */
  readonly id: string
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
  /** Unseen items are being placed in the background, or could not be. */
  placing: boolean
  failure: unknown
}

const UNPREPARED = {
  placing: false,
  failure: null,
  // No revision looks like this: a new model is always prepared once.
  supplementRevision: 'none',
  supplementAt: -Infinity,
  withdrawnRevision: 'none',
  withdrawn: new Int32Array(0),
}

/**
 * Returns a function that gives the current model, with the catalogue's unseen items at their categories' centroids:
 * brought up to date when model or catalogue changed, the latter at most every two seconds. A large catalogue is brought
 * up to date in the background, and until then its newest items are not in the model. null without a model.
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
    const { scorer, version, id } = serving
    if (state.supplementRevision !== revision && !state.placing && isOver(now() - state.supplementAt)) {
      placeUnseenItems(state, catalogue, now)
    }
    if (state.withdrawnRevision !== revision) {
      state.withdrawn = withdrawnIndexes(scorer, catalogue)
      state.withdrawnRevision = revision
    }
    const complete = state.supplementRevision === revision
    return { version, id, scorer, withdrawn: state.withdrawn, complete }
  }
}

/** A clock that was set back must not make anyone wait until it is where it was. */
function isOver(elapsedMs: number): boolean {
  return elapsedMs >= SUPPLEMENT_MS || elapsedMs < 0
}

/** At once where that takes no more than a moment. @throws what an earlier attempt in the background threw. */
function placeUnseenItems(state: State, catalogue: Catalogue, now: () => number): void {
  const { failure } = state
  state.failure = null
  if (failure !== null) throw failure
  const { scorer } = state.serving
  const { revision } = catalogue
  const steps = unseenItems(scorer, catalogue)
  const adopted = () =>
    Object.assign(state, { supplementRevision: revision, supplementAt: now(), withdrawnRevision: 'none' })
  const inBackground = (found: Promise<UnseenItems>): void => {
    state.placing = true
    found
      .then(({ itemIds, factors }) => scorer.placeSupplement(itemIds, factors))
      .then(adopted)
      .catch((error: unknown) => {
        state.failure = error
      })
      .finally(() => {
        state.placing = false
      })
  }
  if (scorer.model.itemIds.length + catalogue.itemCount <= AT_ONCE_ITEMS_MAX) {
    let step = steps.next()
    while (!step.done) step = steps.next()
    const { itemIds, factors } = step.value
    if (itemIds.length <= AT_ONCE_VECTORS_MAX) {
      scorer.setSupplement(itemIds, factors)
      adopted()
    } else inBackground(Promise.resolve(step.value))
  } else inBackground(inSlices(steps))
}

interface UnseenItems {
  readonly itemIds: readonly string[]
  readonly factors: Float32Array
}

/** The catalogue may change between two steps; its revision of the start then has to be gone through again. */
function* unseenItems(scorer: Scorer, catalogue: Catalogue): Generator<void, UnseenItems> {
  const modelItems = scorer.model.itemIds.length
  const centroids = yield* centroidsInSteps(scorer.model, (itemId) => catalogue.item(itemId)?.categories ?? [])
  // A map, for an item that is withdrawn and described again meanwhile comes by twice.
  const vectors = new Map<string, Float32Array>()
  let looked = 0
  for (const { itemId, categories } of catalogue.items()) {
    if (++looked % ITEMS_PER_STEP === 0) yield
    if ((scorer.indexOf(itemId) ?? Infinity) < modelItems) continue
    const vector = centroids.vectorOf(categories)
    if (vector !== null) vectors.set(itemId, vector)
  }
  const width = scorer.model.recipe.factors
  const factors = new Float32Array(new SharedArrayBuffer(vectors.size * width * 4))
  let at = 0
  for (const vector of vectors.values()) factors.set(vector, width * at++)
  return { itemIds: [...vectors.keys()], factors }
}

function withdrawnIndexes(scorer: Scorer, catalogue: Catalogue): Int32Array {
  const indexes: number[] = []
  for (const itemId of catalogue.withdrawn()) {
    const item = scorer.indexOf(itemId)
    if (item !== undefined) indexes.push(item)
  }
  return Int32Array.from(indexes)
}
