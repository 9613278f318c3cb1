import { createFoldIn } from '../als/fold-in.ts'
import type { Model } from '../model/model.ts'
import { openTopKIndex } from '../top-k/top-k-index.ts'
import { createExplainer } from './explanation.ts'
import { createItemVectors, type ModelParts } from './item-vectors.ts'
import { normalizeRows } from './normalize-rows.ts'
import { withoutZeros } from './observations.ts'
import type { Scorer, TopQuery } from './port.ts'
import { prepareInThread } from './preparation.ts'
import { checkFactors, checkItem, checkObservations, checkQuery, checkSupplement } from './queries.ts'
import { idOrder, inOrder } from './supplement.ts'

/**
 * Makes a model ready for serving. Building takes a few microseconds an item unless its parts are given (of a model whose
 * factors were checked); the index for `similar` is built when it is first asked for. Errors: INVALID_PARAMETERS for a
 * factor beyond FACTOR_MAX and for queries that make no sense.
 */
export function createScorer(model: Model, parts?: ModelParts): Scorer {
  const width = model.recipe.factors
  if (parts === undefined) checkFactors(model.itemFactors, 'itemFactors')
  const fold = createFoldIn({
    recipe: model.recipe,
    rows: model.itemIds.length,
    factors: model.itemFactors,
    gram: model.gram,
  })
  const explainer = createExplainer(model)
  let vectors = createItemVectors(model, parts)

  const scorer: Scorer = {
    model,
    get itemIds() {
      return vectors.itemIds
    },
    indexOf: (itemId) => vectors.indexOf(itemId),
    setSupplement(itemIds, factors) {
      checkSupplement({ itemIds, factors }, width, model.itemIds.length, vectors.indexOf)
      const order = idOrder(itemIds)
      vectors = vectors.withSupplement({ itemIds: named(itemIds, order), factors: inOrder(factors, order, width) })
    },
    async placeSupplement(itemIds, factors) {
      checkSupplement({ itemIds, factors }, width, model.itemIds.length, vectors.indexOf)
      const prepared = await prepareInThread({ kind: 'supplement', itemIds, factors, width })
      const supplement = { itemIds: named(itemIds, prepared.order), factors: prepared.factors }
      vectors = vectors.withSupplement(supplement, openTopKIndex(prepared.memories))
    },
    foldIn(observations) {
      checkObservations(observations, model.itemIds.length)
      const { items, strengths } = withoutZeros(observations)
      return fold.solve(items, strengths)
    },
    top(query) {
      checkQuery(query, width, vectors.itemIds.length)
      return vectors.top(query)
    },
    similar(item, options) {
      checkItem(item, vectors.itemIds.length)
      const query: TopQuery = {
        ...options,
        vector: normalizeRows(vectors.vectorOf(item), width),
        exclude: withItem(options.exclude, item),
      }
      checkQuery(query, width, vectors.itemIds.length)
      return vectors.topByCosine(query)
    },
    prepareSimilar: () => vectors.prepareCosine(),
    scores(vector, items) {
      checkQuery({ vector, k: 1, exclude: items }, width, vectors.itemIds.length)
      return vectors.scores(vector, items)
    },
    explain(observations) {
      checkObservations(observations, model.itemIds.length)
      const contributionsTo = explainer.explain(observations)
      return (item) => {
        checkItem(item, vectors.itemIds.length)
        return contributionsTo(vectors.vectorOf(item))
      }
    },
    contributions: (observations, item) => scorer.explain(observations)(item),
    [Symbol.dispose]() {
      // Nothing outlives the scorer: its memories go when it does.
    },
  }
  return scorer
}

function withItem(exclude: Int32Array | undefined, item: number): Int32Array {
  const extended = new Int32Array((exclude?.length ?? 0) + 1).fill(item)
  if (exclude !== undefined) extended.set(exclude)
  return extended
}

function named(itemIds: readonly string[], order: Int32Array): string[] {
  return Array.from(order, (at) => itemIds[at]!)
}
