import { invariant, MillraceError } from '../../schemas/errors.ts'
import { attraction, normalEquations, solveCholesky } from '../kernels/twins/normal-equations.ts'
import type { Model } from '../model/model.ts'
import { createTopKIndex, type TopKIndex } from '../top-k/top-k-index.ts'
import { mergeTop } from './merge-top.ts'
import { normalizeRows } from './normalize-rows.ts'
import type { Observations, Scorer, TopQuery, TopResult } from './port.ts'
import { checkQuery, checkSupplement } from './queries.ts'

/** Vectors of one kind (as trained, or of length one): those of the model and those of the supplement. */
interface Indexes {
  readonly model: TopKIndex
  readonly supplement: TopKIndex | null
}

/** Makes a model ready for serving. The index for `similar` is built when it is first asked for. */
export function createScorer(model: Model): Scorer {
  const width = model.recipe.factors
  const indexById = new Map(model.itemIds.map((itemId, index) => [itemId, index]))
  const modelIndex = createTopKIndex(model.itemFactors, width)
  let itemIds = model.itemIds
  let supplement: Float32Array = new Float32Array(0)
  let trained: Indexes = { model: modelIndex, supplement: null }
  let unit: Indexes | null = null

  function unitIndexes(): Indexes {
    unit ??= {
      model: createTopKIndex(normalizeRows(model.itemFactors, width), width),
      supplement: supplement.length === 0 ? null : createTopKIndex(normalizeRows(supplement, width), width),
    }
    return unit
  }

  function vectorOf(item: number): Float32Array {
    const own = item - model.itemIds.length
    return own < 0
      ? model.itemFactors.subarray(item * width, (item + 1) * width)
      : supplement.subarray(own * width, (own + 1) * width)
  }

  return {
    model,
    get itemIds() {
      return itemIds
    },
    indexOf: (itemId) => indexById.get(itemId),
    setSupplement(ids, factors) {
      checkSupplement(ids, factors, width, (itemId) => (indexById.get(itemId) ?? Infinity) < model.itemIds.length)
      const order = ids.map((_, at) => at).sort((a, b) => (ids[a]! < ids[b]! ? -1 : 1))
      for (const itemId of itemIds.slice(model.itemIds.length)) indexById.delete(itemId)
      supplement = new Float32Array(factors.length)
      order.forEach((from, to) => {
        supplement.set(factors.subarray(from * width, (from + 1) * width), to * width)
        indexById.set(ids[from]!, model.itemIds.length + to)
      })
      itemIds = ids.length === 0 ? model.itemIds : model.itemIds.concat(order.map((from) => ids[from]!))
      trained = { model: modelIndex, supplement: ids.length === 0 ? null : createTopKIndex(supplement, width) }
      unit = unit === null ? null : { model: unit.model, supplement: null }
      if (unit !== null && ids.length > 0)
        unit = { model: unit.model, supplement: createTopKIndex(normalizeRows(supplement, width), width) }
    },
    foldIn(observations) {
      checkObservations(observations, model)
      const { matrix, linear } = normalEquations(model, observations)
      return Float32Array.from(solveCholesky(matrix, attraction(model, observations.items, linear)))
    },
    top(query) {
      checkQuery(query, width, itemIds.length)
      return topOf(trained, query, itemIds)
    },
    similar(item, query) {
      if (!Number.isInteger(item) || item < 0 || item >= itemIds.length)
        throw new MillraceError('INVALID_PARAMETERS', `item ${item} is not one of ${itemIds.length}`)
      const vector = normalizeRows(vectorOf(item), width)
      const exclude = new Int32Array((query.exclude?.length ?? 0) + 1)
      exclude.set(query.exclude ?? [])
      exclude[exclude.length - 1] = item
      const complete = { ...query, vector, exclude }
      checkQuery(complete, width, itemIds.length)
      return topOf(unitIndexes(), complete, itemIds)
    },
    scores(vector, items) {
      checkQuery({ vector, k: 1, exclude: items }, width, itemIds.length)
      const own = trained.model.scores(
        vector,
        items.filter((item) => item < model.itemIds.length),
      )
      if (own.length === items.length) return own
      const later = trained.supplement?.scores(
        vector,
        items.filter((item) => item >= model.itemIds.length).map((item) => item - model.itemIds.length),
      )
      invariant(later, 'an index beyond the model lies in the supplement')
      let nextOwn = 0
      let nextLater = 0
      return Float32Array.from(items, (item) => (item < model.itemIds.length ? own[nextOwn++]! : later[nextLater++]!))
    },
    contributions(observations, item) {
      checkObservations(observations, model)
      const { matrix, linear } = normalEquations(model, observations)
      const solved = solveCholesky(matrix, Float64Array.from(vectorOf(item)))
      return linear.map((weight, j) =>
        weight === 0 ? 0 : weight * dot(solved, model.itemFactors, observations.items[j]! * width),
      )
    },
    [Symbol.dispose]() {
      // The memory of the indexes goes with the scorer.
    },
  }
}

function topOf(indexes: Indexes, query: TopQuery, itemIds: readonly string[]): TopResult {
  const { model, supplement } = indexes
  if (supplement === null) return model.top(query)
  const later: TopQuery = {
    vector: query.vector,
    k: query.k,
    ...(query.exclude && {
      exclude: query.exclude.filter((item) => item >= model.items).map((item) => item - model.items),
    }),
    ...(query.allow && { allow: query.allow.subarray(model.items) }),
  }
  const own: TopQuery = {
    ...query,
    ...(query.exclude && { exclude: query.exclude.filter((item) => item < model.items) }),
    ...(query.allow && { allow: query.allow.subarray(0, model.items) }),
  }
  return mergeTop(model.top(own), supplement.top(later), model.items, query.k, itemIds)
}

function checkObservations({ items, strengths }: Observations, model: Model): void {
  if (items.length !== strengths.length)
    throw new MillraceError('INVALID_PARAMETERS', `${items.length} items have ${strengths.length} strengths`)
  for (let j = 0; j < items.length; j++) {
    if (items[j]! < 0 || items[j]! >= model.itemIds.length || !Number.isFinite(strengths[j]))
      throw new MillraceError(
        'INVALID_PARAMETERS',
        `observation ${j} is item ${items[j]} with strength ${strengths[j]}`,
      )
  }
}

function dot(a: Float64Array, b: Float32Array, bOffset: number): number {
  let sum = 0
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[bOffset + d]!
  return sum
}
