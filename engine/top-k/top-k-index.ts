import { dotTwin, topKTwin } from '../kernels/twins/top-k.ts'
import type { TopQuery, TopResult } from '../scoring/port.ts'

/** Exact top-k over one set of vectors, on one thread. Not safe from several threads at once. */
export interface TopKIndex {
  readonly items: number
  top(query: TopQuery): TopResult
  scores(vector: Float32Array, items: Int32Array): Float32Array
}

export function createTopKIndex(factors: Float32Array, width: number): TopKIndex {
  return {
    items: factors.length / width,
    top: (query) => topKTwin(factors, width, query),
    scores: (vector, items) => Float32Array.from(items, (item) => dotTwin(vector, 0, factors, item * width, width)),
  }
}
