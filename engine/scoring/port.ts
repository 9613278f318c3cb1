import type { Model } from '../model/model.ts'

/** A user's observations in the model's terms: item indexes and strengths (may be negative), equally long, no repeats. */
export interface Observations {
  readonly items: Int32Array
  readonly strengths: Float64Array
}

/** Factors and vectors may have magnitudes up to 1e17, so that no score overflows. */
export interface TopQuery {
  /** Length `factors`, finite. */
  readonly vector: Float32Array
  /** 1 to 1,000. */
  readonly k: number
  /** Item indexes that must not appear, any order, repeats allowed. */
  readonly exclude?: Int32Array
  /** One byte per item index (model items, then supplement); 0 keeps the item out. */
  readonly allow?: Uint8Array
}

/** Best first; equal scores by item id. Exactly min(k, eligible) entries. */
export interface TopResult {
  readonly items: Int32Array
  readonly scores: Float32Array
}

/**
 * A model made ready for serving, on one thread: exact fold-in and exact top-k over the model's items followed by the
 * supplement's. Indexes below `model.itemIds.length` are model items. Not safe from several threads at once.
 */
export interface Scorer extends Disposable {
  readonly model: Model
  /** Model items, then supplement items. */
  readonly itemIds: readonly string[]
  indexOf(itemId: string): number | undefined
  /**
   * Replaces the vectors of items the model has not seen (row-major, `factors` wide; ids distinct and not among the model's).
   * They are indexed in the order of their ids, whatever order they are given in.
   */
  setSupplement(itemIds: readonly string[], factors: Float32Array): void
  /** As `setSupplement`, with the work done in another thread; the former supplement serves until it is done. */
  placeSupplement(itemIds: readonly string[], factors: Float32Array): Promise<void>
  /**
   * The exact solution against the model's items (supplement items carry no observation); a zero vector when nothing
   * attracts. Strengths of exactly zero count as not observed.
   */
  foldIn(observations: Observations): Float32Array
  top(query: TopQuery): TopResult
  /**
   * Cosine similarity (0 where a vector is zero), the item itself left out. The first call builds an index, a few
   * microseconds an item, unless `prepareSimilar` has.
   */
  similar(item: number, query: Omit<TopQuery, 'vector'>): TopResult
  /** Builds what `similar` needs in another thread; at once where it is there. */
  prepareSimilar(): Promise<void>
  scores(vector: Float32Array, items: Int32Array): Float32Array
  /**
   * What each observation adds to the score of an item; sums to the score within 1e-3 relative. Solved once, then asked for
   * any number of items, a few microseconds each.
   */
  explain(observations: Observations): (item: number) => Float64Array
  /** `explain` for one item. */
  contributions(observations: Observations, item: number): Float64Array
}
