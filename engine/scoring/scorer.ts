import { createFoldIn } from '../als/fold-in.ts'
import type { Model } from '../model/model.ts'
import { createExplainer } from './explanation.ts'
import { createItemVectors, type Supplement } from './item-vectors.ts'
import { normalizeRows } from './normalize-rows.ts'
import type { Observations, Scorer, TopQuery } from './port.ts'
import { checkFactors, checkItem, checkObservations, checkQuery, checkSupplement } from './queries.ts'

/**
 * Makes a model ready for serving. Building takes about a microsecond an item; the index for `similar` is built when it is
 * first asked for. Errors: INVALID_PARAMETERS for a factor beyond FACTOR_MAX and for queries that make no sense.
 */
export function createScorer(model: Model): Scorer {
  const width = model.recipe.factors
  checkFactors(model.itemFactors, 'itemFactors')
  const fold = createFoldIn({
    recipe: model.recipe,
    rows: model.itemIds.length,
    factors: model.itemFactors,
    gram: model.gram,
  })
  const explainer = createExplainer(model)
  let vectors = createItemVectors(model)

  const scorer: Scorer = {
    model,
    get itemIds() {
      return vectors.itemIds
    },
    indexOf: (itemId) => vectors.indexOf(itemId),
    setSupplement(itemIds, factors) {
      checkSupplement({ itemIds, factors }, width, model.itemIds.length, vectors.indexOf)
      vectors = vectors.withSupplement(inIdOrder({ itemIds, factors }, width))
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

/** A copy in the order of the ids, so that ties among supplement items go by index. */
function inIdOrder({ itemIds, factors }: Supplement, width: number): Supplement {
  const order = Array.from(itemIds.keys()).sort((a, b) => (itemIds[a]! < itemIds[b]! ? -1 : 1))
  const ordered = new Float32Array(factors.length)
  for (const [to, from] of order.entries()) ordered.set(factors.subarray(from * width, (from + 1) * width), to * width)
  return { itemIds: order.map((from) => itemIds[from]!), factors: ordered }
}

/** A strength of exactly zero (a like and a dislike at once) observes nothing. */
function withoutZeros(observations: Observations): Observations {
  const { items, strengths } = observations
  if (!strengths.some((strength) => Math.fround(strength) === 0)) return observations
  const isSeen = (_: number, j: number): boolean => Math.fround(strengths[j]!) !== 0
  return { items: items.filter(isSeen), strengths: strengths.filter(isSeen) }
}
