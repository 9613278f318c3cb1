// Passes over the observations of one row: out += sum w_i y_i with w_i from y_i . p, a block of observations at a time, so
// that a block's vectors are read from far away once and then come from the nearest cache.
import { madd } from './_vector';

/** Observations of a block: their vectors fill at most 16 KiB. At least 8, a multiple of 8. */
// @ts-ignore: decorator
@inline
export function blockRows(bytes: usize): i32 {
  const rows = <i32>(<usize>16384 / bytes) & ~7;
  return rows < 8 ? 8 : rows > BLOCK_MAX ? BLOCK_MAX : rows;
}

/** Most observations of a block, whatever the width. */
export const BLOCK_MAX: i32 = 256;

/** Bytes of the block tables: addresses, quadratic weights, linear weights, products; 4 bytes each. */
export const TABLE_BYTES: usize = <usize>BLOCK_MAX * 16;
const QUADRATIC: usize = <usize>BLOCK_MAX * 4;
const LINEAR: usize = <usize>BLOCK_MAX * 8;
const PRODUCTS: usize = <usize>BLOCK_MAX * 12;

/** Sums of the lanes of four vectors, as one vector. */
// @ts-ignore: decorator
@inline
function sumFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

/** Fills the table with observations [from, from + count); the rest up to a multiple of 8 repeats the first at weight 0. Returns sum of a. */
export function tabulate(table: usize, Y: usize, indices: usize, strengths: usize, from: i32, count: i32, bytes: usize,
  alpha: f32, quadraticOffset: f32, linearOffset: f32): f32 {
  let sum: f32 = 0;
  indices += <usize>from << 2;
  strengths += <usize>from << 2;
  for (let i: i32 = 0; i < count; i++) {
    const at = <usize>i << 2;
    const s = load<f32>(strengths + at), liked = s > 0;
    const a = liked ? alpha * s + quadraticOffset : -alpha * s;
    store<u32>(table + at, <u32>(Y + <usize>load<u32>(indices + at) * bytes));
    store<f32>(table + QUADRATIC + at, a);
    store<f32>(table + LINEAR + at, liked ? alpha * s + linearOffset : 0);
    sum += a;
  }
  for (let i = count; i & 7; i++) {
    const at = <usize>i << 2;
    store<u32>(table + at, load<u32>(table));
    store<f32>(table + QUADRATIC + at, 0);
    store<f32>(table + LINEAR + at, 0);
  }
  return sum;
}

/** Products of the table's `count` vectors with p, eight at a time, turned into weights: a (y.p), or b - a (y.p). */
export function weigh(table: usize, p: usize, count: i32, bytes: usize, residual: bool): void {
  for (let i: i32 = 0; i < count; i += 8) {
    const at = table + (<usize>i << 2);
    const y0 = <usize>load<u32>(at), y1 = <usize>load<u32>(at, 4), y2 = <usize>load<u32>(at, 8), y3 = <usize>load<u32>(at, 12);
    const y4 = <usize>load<u32>(at, 16), y5 = <usize>load<u32>(at, 20), y6 = <usize>load<u32>(at, 24), y7 = <usize>load<u32>(at, 28);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (let o: usize = 0; o < bytes; o += 32) {
      const u = v128.load(p + o), v = v128.load(p + o, 16);
      s0 = madd<f32>(v, v128.load(y0 + o, 16), madd<f32>(u, v128.load(y0 + o), s0));
      s1 = madd<f32>(v, v128.load(y1 + o, 16), madd<f32>(u, v128.load(y1 + o), s1));
      s2 = madd<f32>(v, v128.load(y2 + o, 16), madd<f32>(u, v128.load(y2 + o), s2));
      s3 = madd<f32>(v, v128.load(y3 + o, 16), madd<f32>(u, v128.load(y3 + o), s3));
      s4 = madd<f32>(v, v128.load(y4 + o, 16), madd<f32>(u, v128.load(y4 + o), s4));
      s5 = madd<f32>(v, v128.load(y5 + o, 16), madd<f32>(u, v128.load(y5 + o), s5));
      s6 = madd<f32>(v, v128.load(y6 + o, 16), madd<f32>(u, v128.load(y6 + o), s6));
      s7 = madd<f32>(v, v128.load(y7 + o, 16), madd<f32>(u, v128.load(y7 + o), s7));
    }
    let low = f32x4.mul(v128.load(at + QUADRATIC), sumFour(s0, s1, s2, s3));
    let high = f32x4.mul(v128.load(at + QUADRATIC, 16), sumFour(s4, s5, s6, s7));
    if (residual) {
      low = f32x4.sub(v128.load(at + LINEAR), low);
      high = f32x4.sub(v128.load(at + LINEAR, 16), high);
    }
    v128.store(at + PRODUCTS, low);
    v128.store(at + PRODUCTS, high, 16);
  }
}

/** out += sum over the table of weight times vector; 16 numbers of out at a time stay in registers, two vectors at once. */
export function gatherWeighted(out: usize, table: usize, count: i32, bytes: usize): void {
  const end = table + (<usize>count << 2);
  let o: usize = 0;
  for (; o + 128 <= bytes; o += 128) {
    const at = out + o;
    let s0 = v128.load(at), s1 = v128.load(at, 16), s2 = v128.load(at, 32), s3 = v128.load(at, 48);
    let s4 = v128.load(at, 64), s5 = v128.load(at, 80), s6 = v128.load(at, 96), s7 = v128.load(at, 112);
    for (let t = table; t < end; t += 4) {
      const y = <usize>load<u32>(t) + o, w = v128.load_splat<f32>(t + PRODUCTS);
      s0 = madd<f32>(w, v128.load(y), s0); s1 = madd<f32>(w, v128.load(y, 16), s1);
      s2 = madd<f32>(w, v128.load(y, 32), s2); s3 = madd<f32>(w, v128.load(y, 48), s3);
      s4 = madd<f32>(w, v128.load(y, 64), s4); s5 = madd<f32>(w, v128.load(y, 80), s5);
      s6 = madd<f32>(w, v128.load(y, 96), s6); s7 = madd<f32>(w, v128.load(y, 112), s7);
    }
    v128.store(at, s0); v128.store(at, s1, 16); v128.store(at, s2, 32); v128.store(at, s3, 48);
    v128.store(at, s4, 64); v128.store(at, s5, 80); v128.store(at, s6, 96); v128.store(at, s7, 112);
  }
  if (o < bytes) {
    const at = out + o;
    let s0 = v128.load(at), s1 = v128.load(at, 16), s2 = v128.load(at, 32), s3 = v128.load(at, 48);
    for (let t = table; t < end; t += 4) {
      const y = <usize>load<u32>(t) + o, w = v128.load_splat<f32>(t + PRODUCTS);
      s0 = madd<f32>(w, v128.load(y), s0); s1 = madd<f32>(w, v128.load(y, 16), s1);
      s2 = madd<f32>(w, v128.load(y, 32), s2); s3 = madd<f32>(w, v128.load(y, 48), s3);
    }
    v128.store(at, s0); v128.store(at, s1, 16); v128.store(at, s2, 32); v128.store(at, s3, 48);
  }
}
