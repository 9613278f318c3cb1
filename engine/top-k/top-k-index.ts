import type { TopQuery, TopResult } from '../scoring/port.ts'
import { layOutShard } from './layout.ts'
import { cutQuery, mergeResults } from './merge-results.ts'
import { openShard, type Shard } from './shard.ts'
import { fillShardMemory } from './shard-memory.ts'

/** A memory is addressed with 32 bits; the last page stays free. */
const SHARD_BYTES_MAX = 2 ** 32 - 65_536

/**
 * Exact top-k over one set of vectors, on one thread. Indexes are those of the vectors; scores are float32 dot products
 * summed in one fixed order, so an item has the same score whichever way it is asked for. Queries are trusted: vectors
 * of magnitudes up to FACTOR_MAX, k from 1 to K_MAX, indexes in range. Not safe from several threads at once.
 */
export interface TopKIndex {
  readonly items: number
  /** Best first, equal scores by smaller index; exactly min(k, eligible) of them. */
  top(query: TopQuery): TopResult
  /** One result a query; each is what `top` gives. */
  topBatch(queries: readonly TopQuery[]): TopResult[]
  scores(vector: Float32Array, items: Int32Array): Float32Array
}

/** An index as memories: threads hand it to each other without a copy. */
export interface TopKMemories {
  readonly items: number
  readonly width: number
  /** Items in every memory but the last. */
  readonly shardItems: number
  readonly memories: readonly WebAssembly.Memory[]
}

/**
 * Copies `factors` (items x width, row-major, magnitudes up to FACTOR_MAX): about 5 * width + 11 bytes an item, the width
 * rounded up to 4, in memories of at most `shardBytesMax` each. Takes about 2 microseconds an item: scoring/preparation.ts
 * does it in another thread. Throws TOO_LARGE_FOR_MEMORY when the machine refuses one.
 */
export function fillTopKMemories(factors: Float32Array, width: number, shardBytesMax = SHARD_BYTES_MAX): TopKMemories {
  const items = factors.length / width
  const shardItems = shardCapacity(width, shardBytesMax)
  const memories: WebAssembly.Memory[] = []
  for (let from = 0; from < items || from === 0; from += shardItems) {
    const to = Math.min(items, from + shardItems)
    memories.push(fillShardMemory(factors.subarray(from * width, to * width), width))
  }
  return { items, width, shardItems, memories }
}

export function openTopKIndex({ items, width, shardItems, memories }: TopKMemories): TopKIndex {
  const shards = memories.map((memory, at) => openShard(memory, Math.min(shardItems, items - at * shardItems), width))
  const [only] = shards
  const { top, scores } = shards.length === 1 && only !== undefined ? only : joinShards(shards, shardItems)
  return { items, top, scores, topBatch: (queries) => queries.map(top) }
}

export function createTopKIndex(factors: Float32Array, width: number, shardBytesMax = SHARD_BYTES_MAX): TopKIndex {
  return openTopKIndex(fillTopKMemories(factors, width, shardBytesMax))
}

/** How many items fit, at least one block. */
function shardCapacity(width: number, bytesMax: number): number {
  const fixed = layOutShard(0, width).end
  const perBlock = layOutShard(64 * 64, width).end - fixed
  return Math.max(64, Math.floor((bytesMax - fixed) / perBlock) * 64 * 64)
}

function joinShards(shards: readonly Shard[], shardItems: number): Pick<TopKIndex, 'top' | 'scores'> {
  return {
    top: (query) =>
      shards
        .map((shard, at) => shard.top(cutQuery(query, at * shardItems, shard.items)))
        .reduce((best, next, at) => mergeResults(best, next, at * shardItems, query.k)),
    scores(vector, wanted) {
      const scores = new Float32Array(wanted.length)
      for (const [at, shard] of shards.entries()) {
        const first = at * shardItems
        const ranks = Array.from(wanted.keys()).filter((rank) => Math.floor(wanted[rank]! / shardItems) === at)
        const own = Int32Array.from(ranks, (rank) => wanted[rank]! - first)
        shard.scores(vector, own).forEach((score, i) => {
          scores[ranks[i]!] = score
        })
      }
      return scores
    },
  }
}
