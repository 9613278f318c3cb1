import { invariant } from '../../schemas/errors.ts'
import type { Model } from '../model/model.ts'
import { cutQuery, mergeResults } from '../top-k/merge-results.ts'
import { createTopKIndex, openTopKIndex, type TopKIndex } from '../top-k/top-k-index.ts'
import { normalizeRows } from './normalize-rows.ts'
import type { TopQuery, TopResult } from './port.ts'
import { prepareInThread } from './preparation.ts'
import type { Supplement } from './supplement.ts'

/** The vectors of a model's items followed by those of a supplement, ready for search. Ties go by item id. */
export interface ItemVectors {
  /** Model items, then supplement items. */
  readonly itemIds: readonly string[]
  indexOf(itemId: string): number | undefined
  vectorOf(item: number): Float32Array
  /**
   * The same model with another supplement, whose index is built here unless given; what belongs to the model is shared,
   * not built again.
   */
  withSupplement(supplement: Supplement, index?: TopKIndex): ItemVectors
  top(query: TopQuery): TopResult
  /** As `top`, over vectors scaled to length one. Built when first asked for, or before by `prepareCosine`. */
  topByCosine(query: TopQuery): TopResult
  /** Builds what `topByCosine` needs in another thread. */
  prepareCosine(): Promise<void>
  scores(vector: Float32Array, items: Int32Array): Float32Array
}

/** What takes long to make of a model. */
export interface ModelParts {
  readonly index: TopKIndex
  readonly indexById: ReadonlyMap<string, number>
}

/** What all supplements of a model share. */
interface SharedParts extends ModelParts {
  readonly model: Model
  readonly unit: LazyIndex
}

export function createItemVectors(model: Model, parts: ModelParts = partsOf(model)): ItemVectors {
  const shared = { ...parts, model, unit: lazyUnitIndex(model.itemFactors, model.recipe.factors) }
  return join(shared, { itemIds: [], factors: new Float32Array(0) }, null)
}

function partsOf(model: Model): ModelParts {
  return {
    index: createTopKIndex(model.itemFactors, model.recipe.factors),
    indexById: new Map(model.itemIds.map((itemId, item) => [itemId, item])),
  }
}

function join(shared: SharedParts, supplement: Supplement, later: TopKIndex | null): ItemVectors {
  const { model, index, indexById, unit } = shared
  const width = model.recipe.factors
  const own = model.itemIds.length
  const itemIds = supplement.itemIds.length === 0 ? model.itemIds : [...model.itemIds, ...supplement.itemIds]
  const laterById = new Map(supplement.itemIds.map((itemId, at) => [itemId, own + at]))
  const laterUnit = later && lazyUnitIndex(supplement.factors, width)
  const isFirst = (item: number, other: number): boolean => itemIds[item]! < itemIds[other]!
  const topOf = (first: TopKIndex, second: TopKIndex | null, query: TopQuery): TopResult => {
    if (second === null) return first.top(query)
    const one = first.top(cutQuery(query, 0, own))
    return mergeResults(one, second.top(cutQuery(query, own, second.items)), own, query.k, isFirst)
  }
  return {
    itemIds,
    indexOf: (itemId) => indexById.get(itemId) ?? laterById.get(itemId),
    vectorOf: (item) =>
      item < own
        ? model.itemFactors.subarray(item * width, (item + 1) * width)
        : supplement.factors.subarray((item - own) * width, (item - own + 1) * width),
    withSupplement(next, given) {
      if (next.itemIds.length === 0) return join(shared, next, null)
      return join(shared, next, given ?? createTopKIndex(next.factors, width))
    },
    top: (query) => topOf(index, later, query),
    topByCosine: (query) => topOf(unit.get(), laterUnit?.get() ?? null, query),
    async prepareCosine() {
      await Promise.all([unit.prepare(), laterUnit?.prepare()])
    },
    scores: (vector, items) => (later === null ? index.scores(vector, items) : scoresOf(index, later, vector, items)),
  }
}

function scoresOf(model: TopKIndex, later: TopKIndex, vector: Float32Array, items: Int32Array): Float32Array {
  const ofModel = model.scores(
    vector,
    items.filter((item) => item < model.items),
  )
  const ofLater = later.scores(
    vector,
    items.filter((item) => item >= model.items).map((item) => item - model.items),
  )
  invariant(ofModel.length + ofLater.length === items.length, 'an item is in the model or in the supplement')
  let i = 0
  let j = 0
  return Float32Array.from(items, (item) => (item < model.items ? ofModel[i++]! : ofLater[j++]!))
}

/** An index over rows scaled to length one: built when it is first used, or before in another thread. */
interface LazyIndex {
  get(): TopKIndex
  prepare(): Promise<void>
}

function lazyUnitIndex(factors: Float32Array, width: number): LazyIndex {
  let index: TopKIndex | null = null
  let preparing: Promise<void> | null = null
  const prepare = async (): Promise<void> => {
    const memories = await prepareInThread({ kind: 'unit', factors, width })
    index ??= openTopKIndex(memories)
  }
  return {
    get() {
      index ??= createTopKIndex(normalizeRows(factors, width), width)
      return index
    },
    async prepare() {
      if (index !== null) return
      preparing ??= prepare().finally(() => {
        preparing = null
      })
      await preparing
    },
  }
}
