// Exact top-k over one set of vectors ("rows"), positions ordered by falling norm, in blocks of 64. One thread.
//
// First pass, integers. Within a block every coordinate is stored as a code u = round(y / s) + 64 in [1, 127], s the
// block's scale; the query as c = round(q / t) in [-127, 127]. Write yh = s (u - 64), e = y - yh, qh = t c, f = q - qh. Then
//   q.y = qh.yh + f.yh + q.e <= s t D + |f| |yh| + |q| |e|,    D = sum c (u - 64) = sum c u - 64 sum c,
// by Cauchy-Schwarz. |f| is known for the query; the greatest |yh| and |e| of each block are stored. The float32 score
// differs from q.y by at most g |q| |y|, g = (width / 4 + 8) 2^-23 (width / 4 + 3 roundings of half an ulp each, doubled),
// plus underflow, which UNDERFLOW covers. So an item whose bound lies below the k-th best score cannot enter, and
//   D >= T = floor((threshold - E) / (s t)) - 1,    E = |f| max|yh| + |q| max|e| + g |q| max|y| + UNDERFLOW
// keeps every item that can, equal scores included. No intermediate of the relaxed dot product is implementation-defined:
// its second operand stays within 7 bits, and pairs of products stay below 2^15.
// A block is skipped, and with it all that follow, when |q| max|y| (1 + g) + UNDERFLOW < threshold, the maximum
// taken over this and all later blocks.
//
// Second pass: survivors get their float32 score, always summed in the same order (see twins/top-k.ts).

const BLOCK: i32 = 64
/** scale, greatest norm from here on, greatest |yh|, greatest |e|: float64 each. */
const HEAD_BYTES: usize = 32
const UNDERFLOW: f64 = 1e-35

/** Layout of the plan: int32 each. */
const PLAN_ITEMS: usize = 0
const PLAN_WIDTH: usize = 4
const PLAN_SLOTS: usize = 8
const PLAN_ROWS: usize = 12
const PLAN_CODES: usize = 16
const PLAN_HEADS: usize = 20
const PLAN_ORDER: usize = 24
const PLAN_BLOCKED: usize = 28
const PLAN_MASK: usize = 32
const PLAN_QUERY: usize = 36
const PLAN_QUERY_CODES: usize = 40
const PLAN_SURVIVORS: usize = 44
const PLAN_SCORES: usize = 48
const PLAN_HEAP_SCORES: usize = 52
const PLAN_HEAP_ITEMS: usize = 56

@inline function at(plan: usize, field: usize): usize { return <usize>load<u32>(plan + field) }
@inline function padded(width: i32): i32 { return (width + 3) & ~3 }
@inline function slack(width: i32): f64 { return <f64>(width / 4 + 8) * 1.1920928955078125e-7 }

/** Fills codes and heads from the rows. */
export function quantize(plan: usize): void {
  const items = <i32>at(plan, PLAN_ITEMS), width = <i32>at(plan, PLAN_WIDTH), slots = <i32>at(plan, PLAN_SLOTS)
  const rows = at(plan, PLAN_ROWS), codes = at(plan, PLAN_CODES), heads = at(plan, PLAN_HEADS)
  const stride = <usize>padded(width) << 2
  const blocks = (items + BLOCK - 1) / BLOCK
  for (let block = 0; block < blocks; block++) {
    const from = block * BLOCK
    const to = min(items, from + BLOCK)
    memory.fill(codes + <usize>from * <usize>slots, 64, <usize>BLOCK * <usize>slots)
    quantizeBlock(rows, stride, width, slots, codes, heads + <usize>block * HEAD_BYTES, from, to)
  }
  let greatest: f64 = 0
  for (let block = blocks - 1; block >= 0; block--) {
    const head = heads + <usize>block * HEAD_BYTES
    greatest = max(greatest, load<f64>(head + 8))
    store<f64>(head + 8, greatest)
  }
}

function quantizeBlock(rows: usize, stride: usize, width: i32, slots: i32, codes: usize, head: usize, from: i32, to: i32): void {
  let largest: f64 = 0
  for (let position = from; position < to; position++) {
    const row = rows + <usize>position * stride
    for (let d = 0; d < width; d++) largest = max(largest, Math.abs(<f64>load<f32>(row + (<usize>d << 2))))
  }
  const scale: f64 = largest == 0 ? 1 : largest / 63
  let greatestNorm: f64 = 0, greatestCoded: f64 = 0, greatestError: f64 = 0
  for (let position = from; position < to; position++) {
    const row = rows + <usize>position * stride
    const code = codes + <usize>(position & ~3) * <usize>slots + (<usize>(position & 3) << 2)
    let norm: f64 = 0, coded: f64 = 0, error: f64 = 0
    for (let d = 0; d < width; d++) {
      const y = <f64>load<f32>(row + (<usize>d << 2))
      const u = max<f64>(-63, min<f64>(63, nearest<f64>(y / scale)))
      store<u8>(code + (<usize>(d >> 2) << 4) + <usize>(d & 3), <u8>(<i32>u + 64))
      const yh = u * scale
      norm += y * y; coded += yh * yh; error += (y - yh) * (y - yh)
    }
    greatestNorm = max(greatestNorm, norm); greatestCoded = max(greatestCoded, coded); greatestError = max(greatestError, error)
  }
  // Rounded up, so that the float64 arithmetic here cannot undercut the bounds.
  store<f64>(head, scale)
  store<f64>(head + 8, Math.sqrt(greatestNorm) * (1 + 1e-12))
  store<f64>(head + 16, Math.sqrt(greatestCoded) * (1 + 1e-12))
  store<f64>(head + 24, Math.sqrt(greatestError) * (1 + 1e-12))
}

/**
 * The k best of what is neither blocked (one byte per position) nor, with `masked`, masked out (mask: one byte per item;
 * 0 keeps it out), best first, equal scores by smaller item. Returns how many there are.
 */
export function top(plan: usize, k: i32, masked: bool): i32 {
  const items = <i32>at(plan, PLAN_ITEMS), width = <i32>at(plan, PLAN_WIDTH), slots = <i32>at(plan, PLAN_SLOTS)
  const heads = at(plan, PLAN_HEADS), order = at(plan, PLAN_ORDER), survivors = at(plan, PLAN_SURVIVORS)
  const heapScores = at(plan, PLAN_HEAP_SCORES)
  const query = at(plan, PLAN_QUERY), queryCodes = at(plan, PLAN_QUERY_CODES)

  let largest: f64 = 0, norm: f64 = 0
  for (let d = 0; d < width; d++) {
    const q = <f64>load<f32>(query + (<usize>d << 2))
    largest = max(largest, Math.abs(q)); norm += q * q
  }
  norm = Math.sqrt(norm) * (1 + 1e-12)
  const unit: f64 = largest == 0 ? 1 : largest / 127
  let sum = 0
  let error: f64 = 0
  for (let d = 0; d < slots; d++) {
    const q = d < width ? <f64>load<f32>(query + (<usize>d << 2)) : 0
    const c = <i32>max<f64>(-127, min<f64>(127, nearest<f64>(q / unit)))
    const cell = queryCodes + (<usize>(d >> 2) << 4) + <usize>(d & 3)
    store<i8>(cell, <i8>c); store<i8>(cell + 4, <i8>c); store<i8>(cell + 8, <i8>c); store<i8>(cell + 12, <i8>c)
    sum += c
    error += (q - <f64>c * unit) * (q - <f64>c * unit)
  }
  error = Math.sqrt(error) * (1 + 1e-12)
  const g = slack(width)

  let size = 0
  for (let from = 0; from < items; from += BLOCK) {
    const head = heads + <usize>(from / BLOCK) * HEAD_BYTES
    const count = min(BLOCK, items - from)
    let found = 0
    if (size < k) {
      for (let i = 0; i < count; i++) {
        store<i32>(survivors + (<usize>found << 2), from + i)
        found += i32(isEligible(plan, order, from + i, masked))
      }
    } else {
      const threshold = <f64>load<f32>(heapScores)
      const greatest = norm * load<f64>(head + 8)
      if (greatest * (1 + g) + UNDERFLOW < threshold) break
      const bound = error * load<f64>(head + 16) + norm * load<f64>(head + 24) + g * greatest + UNDERFLOW
      const limit = Math.floor((threshold - bound) / (load<f64>(head) * unit)) - 1 + 64 * <f64>sum
      if (limit > 2147483647) continue
      const least = limit < -2147483648 ? i32.MIN_VALUE : <i32>limit
      const candidates = filterBlock(plan, from, slots, queryCodes, survivors, least)
      for (let i = 0; i < candidates; i++) {
        const position = load<i32>(survivors + (<usize>i << 2))
        if (position >= items) break
        store<i32>(survivors + (<usize>found << 2), position)
        found += i32(isEligible(plan, order, position, masked))
      }
    }
    if (found > 0) size = offer(plan, found, size, k)
  }
  rank(plan, size)
  return size
}

/** Scores the first `count` survivors and keeps the k best of them and of the `size` that the heap holds; returns how many. */
export function offer(plan: usize, count: i32, size: i32, k: i32): i32 {
  const order = at(plan, PLAN_ORDER), survivors = at(plan, PLAN_SURVIVORS), scores = at(plan, PLAN_SCORES)
  const heapScores = at(plan, PLAN_HEAP_SCORES), heapItems = at(plan, PLAN_HEAP_ITEMS)
  scorePositions(plan, survivors, count, scores)
  for (let i = 0; i < count; i++) {
    const score = load<f32>(scores + (<usize>i << 2))
    if (size == k && score < load<f32>(heapScores)) continue
    const item = load<i32>(order + (<usize>load<i32>(survivors + (<usize>i << 2)) << 2))
    if (size < k) siftUp(heapScores, heapItems, size++, score, item)
    else if (isWorse(load<f32>(heapScores), load<i32>(heapItems), score, item)) siftDown(heapScores, heapItems, k, score, item)
  }
  return size
}

/** Turns the heap of `size` into a list, best first. */
export function rank(plan: usize, size: i32): void {
  sortHeap(at(plan, PLAN_HEAP_SCORES), at(plan, PLAN_HEAP_ITEMS), size)
}

@inline function isEligible(plan: usize, order: usize, position: i32, masked: bool): bool {
  if (load<u8>(at(plan, PLAN_BLOCKED) + <usize>position) != 0) return false
  if (!masked) return true
  return load<u8>(at(plan, PLAN_MASK) + <usize>load<i32>(order + (<usize>position << 2))) != 0
}

/** Lists the positions of a block whose integer product is at least `least`; returns how many. */
function filterBlock(plan: usize, from: i32, slots: i32, queryCodes: usize, survivors: usize, least: i32): i32 {
  const bytes = <usize>slots << 2
  let group = at(plan, PLAN_CODES) + <usize>from * <usize>slots
  const limit = i32x4.splat(least)
  let found = 0
  for (let position = from; position < from + BLOCK; position += 16) {
    let a = i32x4.splat(0), b = a, c = a, d = a
    const g1 = group + bytes, g2 = g1 + bytes, g3 = g2 + bytes
    for (let o: usize = 0; o < bytes; o += 16) {
      const q = v128.load(queryCodes + o)
      a = i32x4.relaxed_dot_i8x16_i7x16_add_s(q, v128.load(group + o), a)
      b = i32x4.relaxed_dot_i8x16_i7x16_add_s(q, v128.load(g1 + o), b)
      c = i32x4.relaxed_dot_i8x16_i7x16_add_s(q, v128.load(g2 + o), c)
      d = i32x4.relaxed_dot_i8x16_i7x16_add_s(q, v128.load(g3 + o), d)
    }
    group = g3 + bytes
    a = i32x4.ge_s(a, limit); b = i32x4.ge_s(b, limit); c = i32x4.ge_s(c, limit); d = i32x4.ge_s(d, limit)
    let bits = i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)))
    while (bits != 0) {
      store<i32>(survivors + (<usize>found << 2), position + ctz(bits))
      found++
      bits &= bits - 1
    }
  }
  return found
}

/** Scores of listed positions (float32). */
export function scorePositions(plan: usize, positions: usize, count: i32, scores: usize): void {
  const stride = <usize>padded(<i32>at(plan, PLAN_WIDTH)) << 2
  const rows = at(plan, PLAN_ROWS), query = at(plan, PLAN_QUERY)
  for (let i = 0; i < count; i += 4) {
    const last = count - 1
    const y0 = rows + <usize>load<i32>(positions + (<usize>i << 2)) * stride
    const y1 = rows + <usize>load<i32>(positions + (<usize>min(i + 1, last) << 2)) * stride
    const y2 = rows + <usize>load<i32>(positions + (<usize>min(i + 2, last) << 2)) * stride
    const y3 = rows + <usize>load<i32>(positions + (<usize>min(i + 3, last) << 2)) * stride
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0
    for (let o: usize = 0; o < stride; o += 16) {
      const q = v128.load(query + o)
      s0 = f32x4.add(s0, f32x4.mul(q, v128.load(y0 + o)))
      s1 = f32x4.add(s1, f32x4.mul(q, v128.load(y1 + o)))
      s2 = f32x4.add(s2, f32x4.mul(q, v128.load(y2 + o)))
      s3 = f32x4.add(s3, f32x4.mul(q, v128.load(y3 + o)))
    }
    const a = f32x4.add(v128.shuffle<f32>(s0, s1, 0, 4, 2, 6), v128.shuffle<f32>(s0, s1, 1, 5, 3, 7))
    const b = f32x4.add(v128.shuffle<f32>(s2, s3, 0, 4, 2, 6), v128.shuffle<f32>(s2, s3, 1, 5, 3, 7))
    // Writes up to three scores beyond `count`: the list has room for them.
    v128.store(scores + (<usize>i << 2), f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7)))
  }
}

/** Whether (score, item) ranks behind (otherScore, otherItem). */
@inline function isWorse(score: f32, item: i32, otherScore: f32, otherItem: i32): bool {
  return score < otherScore || (score == otherScore && item > otherItem)
}

/** The heap's root is the worst of what it holds. */
function siftUp(scores: usize, items: usize, hole: i32, score: f32, item: i32): void {
  while (hole > 0) {
    const parent = (hole - 1) >> 1
    const parentScore = load<f32>(scores + (<usize>parent << 2)), parentItem = load<i32>(items + (<usize>parent << 2))
    if (!isWorse(score, item, parentScore, parentItem)) break
    store<f32>(scores + (<usize>hole << 2), parentScore); store<i32>(items + (<usize>hole << 2), parentItem)
    hole = parent
  }
  store<f32>(scores + (<usize>hole << 2), score); store<i32>(items + (<usize>hole << 2), item)
}

/** Puts (score, item) in place of the root of a heap of `size`. */
function siftDown(scores: usize, items: usize, size: i32, score: f32, item: i32): void {
  let hole = 0
  for (;;) {
    let child = 2 * hole + 1
    if (child >= size) break
    let childScore = load<f32>(scores + (<usize>child << 2)), childItem = load<i32>(items + (<usize>child << 2))
    if (child + 1 < size) {
      const rightScore = load<f32>(scores + (<usize>child << 2) + 4), rightItem = load<i32>(items + (<usize>child << 2) + 4)
      if (isWorse(rightScore, rightItem, childScore, childItem)) { child++; childScore = rightScore; childItem = rightItem }
    }
    if (!isWorse(childScore, childItem, score, item)) break
    store<f32>(scores + (<usize>hole << 2), childScore); store<i32>(items + (<usize>hole << 2), childItem)
    hole = child
  }
  store<f32>(scores + (<usize>hole << 2), score); store<i32>(items + (<usize>hole << 2), item)
}

/** Turns the heap into a list, best first. */
function sortHeap(scores: usize, items: usize, size: i32): void {
  for (let last = size - 1; last > 0; last--) {
    const score = load<f32>(scores), item = load<i32>(items)
    const tailScore = load<f32>(scores + (<usize>last << 2)), tailItem = load<i32>(items + (<usize>last << 2))
    siftDown(scores, items, last, tailScore, tailItem)
    store<f32>(scores + (<usize>last << 2), score); store<i32>(items + (<usize>last << 2), item)
  }
}
