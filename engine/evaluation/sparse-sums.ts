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

/** The k highest positive values among `candidates`, best first, ties by smaller index. */
export function highestPositive(values: Float64Array, candidates: Int32Array, k: number): Int32Array {
  const contenders = candidates.filter((candidate) => values[candidate]! > 0)
  return contenders.length > 4 * k && k > 32
    ? insertBest(values, notBelow(values, contenders, k), k)
    : insertBest(values, contenders, k)
}

/** Candidates not below the k-th highest value: few enough for insertion. */
function notBelow(values: Float64Array, candidates: Int32Array, k: number): Int32Array {
  const threshold = kthHighest(
    Float64Array.from(candidates, (candidate) => values[candidate]!),
    k,
  )
  return candidates.filter((candidate) => values[candidate]! >= threshold)
}

/** Quickselect (Hoare 1961); reorders `numbers`. */
function kthHighest(numbers: Float64Array, k: number): number {
  let low = 0
  let high = numbers.length - 1
  while (low < high) {
    const pivot = numbers[(low + high) >> 1]!
    let left = low
    let right = high
    while (left <= right) {
      while (numbers[left]! > pivot) left++
      while (numbers[right]! < pivot) right--
      if (left > right) break
      const swapped = numbers[left]!
      numbers[left++] = numbers[right]!
      numbers[right--] = swapped
    }
    if (k - 1 <= right) high = right
    else if (k - 1 >= left) low = left
    else break
  }
  return numbers[k - 1]!
}

function insertBest(values: Float64Array, candidates: Int32Array, k: number): Int32Array {
  const best = new Int32Array(Math.min(k, candidates.length))
  let size = 0
  for (const candidate of candidates) {
    const value = values[candidate]!
    if (size === best.length) {
      const last = best[size - 1]
      if (last === undefined || value < values[last]! || (value === values[last] && candidate > last)) continue
      size--
    }
    let place = size++
    for (; place > 0; place--) {
      const before = best[place - 1]!
      if (values[before]! > value || (values[before] === value && before < candidate)) break
      best[place] = before
    }
    best[place] = candidate
  }
  return best
}
