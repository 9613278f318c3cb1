// Passes over the observations of one row: out += sum w_i y_i with w_i from y_i . p, a block of observations at a time, so
// that a block's vectors are read from far away once and then come from the nearest cache.
//
// T is f32, or u16 for vectors packed as bfloat16 (the upper half of a float32, rounded): 16 bytes hold eight numbers, the
// first four in the lower halves of four words, the other four in the upper halves. Half the bytes make half the traffic.
// A shift gives the first four as float32 again; the words as they are give the other four: `pack` rounds an upper half so
// that together with whatever is below it the word is nearest to the number. A zero may come out as a number below 1e-38.
// Training reads packed vectors (their error is far below that of a few gradient steps), exact solutions do not.
import { madd, sum4 } from './_vector';

/** Packs rows of `bytes` bytes of float32 that follow each other, to half as many bytes. */
export function pack(to: usize, from: usize, bytes: usize): void {
  const half = i32x4.splat(0x8000), upper = i32x4.splat(0xffff0000), sign = i32x4.splat(0x80000000);
  for (let o: usize = 0; o < bytes; o += 32) {
    const low = i32x4.shr_u(i32x4.add(v128.load(from + o), half), 16), number = v128.load(from + o, 16);
    const rest = i32x4.sub(i32x4.add(v128.andnot(number, sign), half), low);
    const high = v128.and(i32x4.max_s(rest, i32x4.splat(0)), upper);
    v128.store(to + (o >> 1), v128.or(v128.or(low, high), v128.and(number, sign)));
  }
}

/** s + p . y for eight numbers of y; u and v are those of p. */
// @ts-ignore: decorator
@inline
function multiplied<T>(s: v128, u: v128, v: v128, y: usize): v128 {
  if (sizeof<T>() == 2) {
    const word = v128.load(y);
    return madd<f32>(v, word, madd<f32>(u, i32x4.shl(word, 16), s));
  }
  return madd<f32>(v, v128.load(y, 16), madd<f32>(u, v128.load(y), s));
}

/** Observations of a block: their vectors fill at most 16 KiB. At least 8, a multiple of 8. */
// @ts-ignore: decorator
@inline
export function blockRows(bytes: usize): i32 {
  const rows = <i32>(<usize>16384 / bytes) & ~7;
  return rows < 8 ? 8 : rows > BLOCK_MAX ? BLOCK_MAX : rows;
}

/** Most observations of a block, whatever the width. */
export const BLOCK_MAX: i32 = 256;

/** Bytes of the block tables: addresses, quadratic weights, linear weights, products; 4 bytes each; then single numbers. */
export const TABLE_BYTES: usize = <usize>BLOCK_MAX * 16 + 64;
const QUADRATIC: usize = <usize>BLOCK_MAX * 4;
const LINEAR: usize = <usize>BLOCK_MAX * 8;
const PRODUCTS: usize = <usize>BLOCK_MAX * 12;
const UNUSED: usize = <usize>BLOCK_MAX * 16;
/** The sum of the table's quadratic weights. */
export const WEIGHT: usize = UNUSED + 4;

/** Sums of the lanes of four vectors, as one vector. */
// @ts-ignore: decorator
@inline
function sumFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

/**
 * Fills the table with observations (vectors of `bytes` bytes, packed or not) from `from` on, up to `count` while they are
 * of rows before `below`; the rest up to a multiple of 8 repeats the first at weight 0. Returns how many; their sum of a is
 * at WEIGHT.
 */
export function tabulate(table: usize, Y: usize, indices: usize, strengths: usize, from: i32, count: i32, below: u32,
  bytes: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32): i32 {
  let sum: f32 = 0, i: i32 = 0;
  indices += <usize>from << 2;
  strengths += <usize>from << 2;
  for (; i < count; i++) {
    const at = <usize>i << 2, index = load<u32>(indices + at);
    if (index >= below) break;
    const s = load<f32>(strengths + at), liked = s > 0;
    const a = liked ? alpha * s + quadraticOffset : -alpha * s;
    store<u32>(table + at, <u32>(Y + <usize>index * bytes));
    store<f32>(table + QUADRATIC + at, a);
    store<f32>(table + LINEAR + at, liked ? alpha * s + linearOffset : 0);
    sum += a;
  }
  store<f32>(table + WEIGHT, sum);
  for (let rest = i; rest & 7; rest++) {
    const at = <usize>rest << 2;
    store<u32>(table + at, load<u32>(table));
    store<f32>(table + QUADRATIC + at, 0);
    store<f32>(table + LINEAR + at, 0);
  }
  return i;
}

/**
 * Loads one word of every cache line of the next eight vectors: with all of them under way at once, the vectors are there
 * when their turn comes. WebAssembly has no prefetch; the sum is stored only so that the loads are not dropped.
 */
// @ts-ignore: decorator
@inline
function touch(at: usize, vector: usize, table: usize): void {
  let sum: u32 = 0;
  for (let n: usize = 0; n < 32; n += 4) {
    const y = <usize>load<u32>(at + n);
    for (let o: usize = 0; o < vector; o += 64) sum += load<u32>(y + o);
  }
  store<u32>(table + UNUSED, sum);
}

/** Reads one word of every cache line of [from, end) in order, so that a range used often is near before it is used. */
export function warm(from: usize, end: usize, table: usize): void {
  let sum: u32 = 0;
  for (; from < end; from += 64) sum += load<u32>(from);
  store<u32>(table + UNUSED, sum);
}

/**
 * Products of the table's `count` vectors with p, eight at a time, turned into weights: a (y.p), or b - a (y.p).
 * Returns sum a (y.p)^2. bytes: of p. ahead: fetch vectors before their turn.
 */
export function weigh<T>(table: usize, p: usize, count: i32, bytes: usize, residual: bool, ahead: bool): f32 {
  const step: usize = 8 * sizeof<T>(), end = p + bytes;
  let energy = f32x4.splat(0);
  for (let i: i32 = 0; i < count; i += 8) {
    const at = table + (<usize>i << 2);
    let y0 = <usize>load<u32>(at), y1 = <usize>load<u32>(at, 4), y2 = <usize>load<u32>(at, 8), y3 = <usize>load<u32>(at, 12);
    let y4 = <usize>load<u32>(at, 16), y5 = <usize>load<u32>(at, 20), y6 = <usize>load<u32>(at, 24), y7 = <usize>load<u32>(at, 28);
    if (ahead && i + 8 < count) touch(at + 32, (bytes * sizeof<T>()) >> 2, table);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (let o = p; o < end; o += 32) {
      const u = v128.load(o), v = v128.load(o, 16);
      s0 = multiplied<T>(s0, u, v, y0); y0 += step;
      s1 = multiplied<T>(s1, u, v, y1); y1 += step;
      s2 = multiplied<T>(s2, u, v, y2); y2 += step;
      s3 = multiplied<T>(s3, u, v, y3); y3 += step;
      s4 = multiplied<T>(s4, u, v, y4); y4 += step;
      s5 = multiplied<T>(s5, u, v, y5); y5 += step;
      s6 = multiplied<T>(s6, u, v, y6); y6 += step;
      s7 = multiplied<T>(s7, u, v, y7); y7 += step;
    }
    const low = sumFour(s0, s1, s2, s3), high = sumFour(s4, s5, s6, s7);
    let first = f32x4.mul(v128.load(at + QUADRATIC), low), second = f32x4.mul(v128.load(at + QUADRATIC, 16), high);
    energy = madd<f32>(first, low, madd<f32>(second, high, energy));
    if (residual) {
      first = f32x4.sub(v128.load(at + LINEAR), first);
      second = f32x4.sub(v128.load(at + LINEAR, 16), second);
    }
    v128.store(at + PRODUCTS, first);
    v128.store(at + PRODUCTS, second, 16);
  }
  return sum4(energy);
}

/** out += sum over the table of weight times vector; 32 numbers of out at a time stay in registers. bytes: of out. */
export function gatherWeighted<T>(out: usize, table: usize, count: i32, bytes: usize): void {
  const step: usize = 8 * sizeof<T>(), end = table + (<usize>count << 2);
  let o: usize = 0, from: usize = 0;
  for (; o + 128 <= bytes; o += 128, from += 4 * step) {
    const at = out + o;
    let s0 = v128.load(at), s1 = v128.load(at, 16), s2 = v128.load(at, 32), s3 = v128.load(at, 48);
    let s4 = v128.load(at, 64), s5 = v128.load(at, 80), s6 = v128.load(at, 96), s7 = v128.load(at, 112);
    for (let t = table; t < end; t += 4) {
      const y = <usize>load<u32>(t) + from, w = v128.load_splat<f32>(t + PRODUCTS);
      if (sizeof<T>() == 2) {
        let word = v128.load(y);
        s0 = madd<f32>(w, i32x4.shl(word, 16), s0); s1 = madd<f32>(w, word, s1);
        word = v128.load(y, 16);
        s2 = madd<f32>(w, i32x4.shl(word, 16), s2); s3 = madd<f32>(w, word, s3);
        word = v128.load(y, 32);
        s4 = madd<f32>(w, i32x4.shl(word, 16), s4); s5 = madd<f32>(w, word, s5);
        word = v128.load(y, 48);
        s6 = madd<f32>(w, i32x4.shl(word, 16), s6); s7 = madd<f32>(w, word, s7);
      } else {
        s0 = madd<f32>(w, v128.load(y), s0); s1 = madd<f32>(w, v128.load(y, 16), s1);
        s2 = madd<f32>(w, v128.load(y, 32), s2); s3 = madd<f32>(w, v128.load(y, 48), s3);
        s4 = madd<f32>(w, v128.load(y, 64), s4); s5 = madd<f32>(w, v128.load(y, 80), s5);
        s6 = madd<f32>(w, v128.load(y, 96), s6); s7 = madd<f32>(w, v128.load(y, 112), s7);
      }
    }
    v128.store(at, s0); v128.store(at, s1, 16); v128.store(at, s2, 32); v128.store(at, s3, 48);
    v128.store(at, s4, 64); v128.store(at, s5, 80); v128.store(at, s6, 96); v128.store(at, s7, 112);
  }
  for (; o < bytes; o += 32, from += step) {
    const at = out + o;
    let s0 = v128.load(at), s1 = v128.load(at, 16);
    for (let t = table; t < end; t += 4) {
      const y = <usize>load<u32>(t) + from, w = v128.load_splat<f32>(t + PRODUCTS);
      if (sizeof<T>() == 2) {
        const word = v128.load(y);
        s0 = madd<f32>(w, i32x4.shl(word, 16), s0); s1 = madd<f32>(w, word, s1);
      } else {
        s0 = madd<f32>(w, v128.load(y), s0); s1 = madd<f32>(w, v128.load(y, 16), s1);
      }
    }
    v128.store(at, s0); v128.store(at, s1, 16);
  }
}
