/** Sums over few of many indexes, reused without clearing all of them: add, read, clear. */
export interface SparseSums {
  /** By index; 0 where nothing was added. */
  readonly values: Float64Array
  add(index: number, amount: number): void
  /** Indexes added to since the last clear, in order of first use; valid until the next call. */
  touched(): Int32Array
  clear(): void
}

export function createSparseSums(size: number): SparseSums {
  const values = new Float64Array(size)
  const marked = new Uint8Array(size)
  const touched = new Int32Array(size)
  let count = 0
  return {
    values,
    add(index, amount) {
      if (marked[index] === 0) {
        marked[index] = 1
        touched[count++] = index
      }
      values[index]! += amount
    },
    touched: () => touched.subarray(0, count),
    clear() {
      for (let place = 0; place < count; place++) {
        values[touched[place]!] = 0
        marked[touched[place]!] = 0
      }
      count = 0
    },
  }
}

/**
 * The k highest positive values among `candidates`, best first, ties by smaller index. Takes time in the number of
 * candidates, whatever their order: of 2k kept at most, the worse half is dropped whenever they are full.
 */
export function highestPositive(values: Float64Array, candidates: Int32Array, k: number): Int32Array {
  const kept = new Int32Array(Math.min(candidates.length, 2 * k))
  let size = 0
  let least = 0
  for (let place = 0; place < candidates.length; place++) {
    const candidate = candidates[place]!
    const value = values[candidate]!
    // Of equal values an earlier index may still belong to the best.
    if (value < least || value <= 0) continue
    if (size === kept.length) {
      least = values[moveBestFirst(values, kept, k)]!
      size = k
      if (value < least) continue
    }
    kept[size++] = candidate
  }
  return kept
    .subarray(0, size)
    .sort((left, right) => (isBetter(values, left, right) ? -1 : 1))
    .subarray(0, k)
}

function isBetter(values: Float64Array, left: number, right: number): boolean {
  return values[left]! > values[right]! || (values[left] === values[right] && left < right)
}

/** Reorders `kept` so that its k best come first; returns the worst of these. Quickselect (Hoare 1961). */
function moveBestFirst(values: Float64Array, kept: Int32Array, k: number): number {
  let low = 0
  let high = kept.length - 1
  while (low < high) {
    const pivot = kept[(low + high) >> 1]!
    let left = low
    let right = high
    while (left <= right) {
      while (isBetter(values, kept[left]!, pivot)) left++
      while (isBetter(values, pivot, kept[right]!)) right--
      if (left > right) break
      const swapped = kept[left]!
      kept[left++] = kept[right]!
      kept[right--] = swapped
    }
    if (k - 1 <= right) high = right
    else if (k - 1 >= left) low = left
    else break
  }
  return kept[k - 1]!
}
