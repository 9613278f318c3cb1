import { invariant } from '../../schemas/errors.ts'
import type { Model } from '../model/model.ts'
import { cutQuery, mergeResults } from '../top-k/merge-results.ts'
import { createTopKIndex, type TopKIndex } from '../top-k/top-k-index.ts'
import { normalizeRows } from './normalize-rows.ts'
import type { TopQuery, TopResult } from './port.ts'

/** Vectors of items the model has not seen, in the order of their ids. */
export interface Supplement {
  readonly itemIds: readonly string[]
  /** Row-major. */
  readonly factors: Float32Array
}

/** The vectors of a model's items followed by those of a supplement, ready for search. Ties go by item id. */
export interface ItemVectors {
  /** Model items, then supplement items. */
  readonly itemIds: readonly string[]
  indexOf(itemId: string): number | undefined
  vectorOf(item: number): Float32Array
  /** The same model with another supplement; what belongs to the model is shared, not built again. */
  withSupplement(supplement: Supplement): ItemVectors
  top(query: TopQuery): TopResult
  /** As `top`, over vectors scaled to length one. Built when first asked for. */
  topByCosine(query: TopQuery): TopResult
  scores(vector: Float32Array, items: Int32Array): Float32Array
}

/** What all supplements of a model share. */
interface ModelPart {
  readonly model: Model
  readonly index: TopKIndex
  readonly indexById: ReadonlyMap<string, number>
  unitIndex(): TopKIndex
}

export function createItemVectors(model: Model): ItemVectors {
  const width = model.recipe.factors
  const part: ModelPart = {
    model,
    index: createTopKIndex(model.itemFactors, width),
    indexById: new Map(model.itemIds.map((itemId, item) => [itemId, item])),
    unitIndex: once(() => createTopKIndex(normalizeRows(model.itemFactors, width), width)),
  }
  return join(part, { itemIds: [], factors: new Float32Array(0) })
}

function join(part: ModelPart, supplement: Supplement): ItemVectors {
  const { model, index, indexById } = part
  const width = model.recipe.factors
  const own = model.itemIds.length
  const itemIds = supplement.itemIds.length === 0 ? model.itemIds : [...model.itemIds, ...supplement.itemIds]
  const laterById = new Map(supplement.itemIds.map((itemId, at) => [itemId, own + at]))
  const later = supplement.itemIds.length === 0 ? null : createTopKIndex(supplement.factors, width)
  const laterUnit = once(() => createTopKIndex(normalizeRows(supplement.factors, width), width))
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
    withSupplement: (next) => join(part, next),
    top: (query) => topOf(index, later, query),
    topByCosine: (query) => topOf(part.unitIndex(), later === null ? null : laterUnit(), query),
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

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
