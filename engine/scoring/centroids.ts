import type { Model } from '../model/model.ts'

/** Mean vectors of categories: where an item that the model has not seen is placed until a supplement knows better. */
export interface CategoryCentroids {
  readonly categories: ReadonlySet<string>
  /** The mean of the categories' centroids; null when the model has no item in any of them. */
  vectorOf(categories: readonly string[]): Float32Array<ArrayBuffer> | null
}

/** Model items between two steps of `centroidsInSteps`. */
const ITEMS_PER_STEP = 256

/** The centroid of a category is the mean over the model's items in it; an item naming a category twice counts once. */
export function categoryCentroids(
  model: Model,
  categoriesOf: (itemId: string) => readonly string[],
): CategoryCentroids {
  const steps = centroidsInSteps(model, categoriesOf)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** As `categoryCentroids`, in steps of well under a millisecond, so that other work can go on between them. */
export function* centroidsInSteps(
  model: Model,
  categoriesOf: (itemId: string) => readonly string[],
): Generator<void, CategoryCentroids> {
  const width = model.recipe.factors
  const sums = new Map<string, { readonly sum: Float64Array; count: number }>()
  for (const [item, itemId] of model.itemIds.entries()) {
    for (const category of new Set(categoriesOf(itemId))) {
      let entry = sums.get(category)
      if (entry === undefined) {
        entry = { sum: new Float64Array(width), count: 0 }
        sums.set(category, entry)
      }
      for (let d = 0; d < width; d++) entry.sum[d]! += model.itemFactors[item * width + d]!
      entry.count++
    }
    if (item % ITEMS_PER_STEP === ITEMS_PER_STEP - 1) yield
  }
  const centroids = new Map(
    [...sums].map(([category, { sum, count }]) => [category, sum.map((value) => value / count)]),
  )
  return {
    categories: new Set(centroids.keys()),
    vectorOf(categories) {
      const known = [...new Set(categories)].flatMap((category) => centroids.get(category) ?? [])
      if (known.length === 0) return null
      const mean = new Float64Array(width)
      for (const centroid of known) for (let d = 0; d < width; d++) mean[d]! += centroid[d]! / known.length
      return Float32Array.from(mean)
    },
  }
}
