import { type ItemColumns, transposePairs } from './catalogue-metrics.ts'
import { type PairTable, sharedCopy } from './pair-table.ts'
import { createSparseSums, highestPositive, type SparseSums } from './sparse-sums.ts'
import { runThreads, takeStretches, throwIfAborted } from './threads.ts'

/** Per item its most similar items, best first, ties by rank; positive similarities only. */
export interface Neighbours {
  /** Length items + 1. */
  readonly pointers: Int32Array
  readonly items: Int32Array
  readonly similarities: Float64Array
}

/** The neighbours of a stretch of items, one list after the other. */
export interface NearestRun {
  readonly from: number
  /** Neighbours of each item of the stretch. */
  readonly counts: Int32Array<ArrayBuffer>
  readonly items: Int32Array<ArrayBuffer>
  readonly similarities: Float64Array<ArrayBuffer>
}

/** What a thread gets. `next`: the first item that no thread has taken yet. */
export interface NearestTask {
  readonly pairs: PairTable
  readonly byItem: ItemColumns
  readonly neighbours: number
  readonly next: Int32Array
}

/** Items that a thread takes at a time. */
const CHUNK_ITEMS = 32
/** Starting a thread costs about as much as so many additions. */
const ADDITIONS_PER_THREAD_MIN = 10_000_000

/**
 * The `neighbours` most similar items of every item: cosine of the items' columns of decayed strengths (Sarwar et al.
 * 2001). Costs the sum over users of (history length)^2 additions, shared by at most `threads` threads; an item's list
 * depends on the item alone, so the result is the same bits with any number of them. Twin: item-knn.twin.ts.
 * @throws MillraceError ABORTED once `signal` aborts.
 */
export async function nearestItems(
  pairs: PairTable,
  neighbours: number,
  { threads, signal }: { readonly threads: number; readonly signal?: AbortSignal },
): Promise<Neighbours> {
  throwIfAborted(signal)
  const next = new Int32Array(new SharedArrayBuffer(4))
  const task: NearestTask = { pairs, byItem: transposePairs(pairs), neighbours, next }
  const wanted = Math.min(threads, Math.ceil(allAdditions(pairs) / ADDITIONS_PER_THREAD_MIN))
  if (wanted <= 1) return joinRuns(pairs.items, [...findNearest(task)])
  const runs: NearestRun[] = []
  const onMessage = (run: NearestRun) => runs.push(run)
  await runThreads(new URL('./nearest-items-worker.ts', import.meta.url), wanted, task, { signal, onMessage })
  return joinRuns(pairs.items, runs)
}

/** Takes items from the queue until there are none, and finds their neighbours. */
export function* findNearest({ pairs, byItem, neighbours, next }: NearestTask): Generator<NearestRun> {
  const cosines = createCosines(pairs, byItem)
  for (const { from, to } of takeStretches(next, CHUNK_ITEMS, pairs.items)) {
    const counts = new Int32Array(to - from)
    const items = new Int32Array(counts.length * Math.min(neighbours, pairs.items))
    const similarities = new Float64Array(items.length)
    let size = 0
    for (let item = from; item < to; item++) {
      const { values, candidates, clear } = cosines(item)
      const nearest = highestPositive(values, candidates, neighbours)
      for (const other of nearest) {
        items[size] = other
        similarities[size++] = values[other]!
      }
      counts[item - from] = nearest.length
      clear()
    }
    yield { from, counts, items: items.slice(0, size), similarities: similarities.slice(0, size) }
  }
}

function allAdditions({ users, pointers }: PairTable): number {
  let additions = 0
  for (let user = 0; user < users; user++) additions += (pointers[user + 1]! - pointers[user]!) ** 2
  return additions
}

function joinRuns(itemCount: number, runs: readonly NearestRun[]): Neighbours {
  const pointers = new Int32Array(itemCount + 1)
  for (const { from, counts } of runs) pointers.set(counts, from + 1)
  for (let item = 0; item < itemCount; item++) pointers[item + 1]! += pointers[item]!
  const size = pointers[itemCount]!
  const items = new Int32Array(new SharedArrayBuffer(size * 4))
  const similarities = new Float64Array(new SharedArrayBuffer(size * 8))
  for (const run of runs) {
    items.set(run.items, pointers[run.from])
    similarities.set(run.similarities, pointers[run.from])
  }
  return { pointers: sharedCopy(pointers), items, similarities }
}

interface Cosines {
  /** By item; 0 for the item itself. Valid until `clear`, which must be called before the next item. */
  readonly values: Float64Array
  /** Items whose value may be positive. */
  readonly candidates: Int32Array
  clear(): void
}

/** Cosines of one item with every item that shares a user. Where most items do, all are summed without noting which. */
function createCosines(pairs: PairTable, byItem: ItemColumns): (item: number) => Cosines {
  const sums = createSparseSums(pairs.items)
  const { values } = sums
  const everyItem = Int32Array.from({ length: pairs.items }, (_, item) => item)
  const clearAll = () => values.fill(0)
  return (item) => {
    const isDense = additionsOf(pairs, byItem, item) >= pairs.items
    if (isDense) sumAll(pairs, byItem, item, values)
    else sumTouched(pairs, byItem, item, sums)
    values[item] = 0
    const candidates = isDense ? everyItem : sums.touched()
    divideByNorms(values, candidates, byItem.norms, item)
    return { values, candidates, clear: isDense ? clearAll : sums.clear }
  }
}

function additionsOf({ pointers }: PairTable, byItem: ItemColumns, item: number): number {
  let additions = 0
  for (let place = byItem.pointers[item]!; place < byItem.pointers[item + 1]!; place++) {
    const user = byItem.users[place]!
    additions += pointers[user + 1]! - pointers[user]!
  }
  return additions
}

function sumAll({ pointers, itemRanks, strengths }: PairTable, byItem: ItemColumns, item: number, sums: Float64Array) {
  for (let place = byItem.pointers[item]!; place < byItem.pointers[item + 1]!; place++) {
    const user = byItem.users[place]!
    const strength = byItem.strengths[place]!
    const end = pointers[user + 1]!
    for (let index = pointers[user]!; index < end; index++) sums[itemRanks[index]!]! += strength * strengths[index]!
  }
}

function sumTouched(
  { pointers, itemRanks, strengths }: PairTable,
  byItem: ItemColumns,
  item: number,
  sums: SparseSums,
) {
  for (let place = byItem.pointers[item]!; place < byItem.pointers[item + 1]!; place++) {
    const user = byItem.users[place]!
    const strength = byItem.strengths[place]!
    for (let index = pointers[user]!; index < pointers[user + 1]!; index++) {
      sums.add(itemRanks[index]!, strength * strengths[index]!)
    }
  }
}

function divideByNorms(values: Float64Array, candidates: Int32Array, norms: Float64Array, item: number): void {
  const norm = norms[item]!
  for (const other of candidates) {
    const scale = norm * norms[other]!
    values[other] = scale === 0 ? 0 : values[other]! / scale
  }
}
