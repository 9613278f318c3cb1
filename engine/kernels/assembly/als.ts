// Kernels of alternating least squares and fold-in (DESIGN section 4). A row (user or item) with observations i of
// strength s_i solves (W G + sum a_i y_i y_i' + reg I) x = sum b_i y_i, where G = Y'Y and
//   s > 0: a = alpha s + quadraticOffset, b = alpha s + linearOffset;   s < 0: a = -alpha s, b = 0.
// All rows are `k` wide, k a multiple of 16, zero in the padding, aligned to 16 bytes. Pointers are byte offsets.
// Twins: engine/kernels/twins/als.ts.
import { addOuter, factorize, substitute } from './_dense';
import { blockRows, gatherWeighted, tabulate, weigh } from './_passes';
import { axpy, dot, madd, nmadd, sum4 } from './_vector';
export { diagonalize, rotateRows } from './_rotate';

/** Rows gathered at a time by the exact solver. */
const BATCH: i32 = 32;

// @ts-ignore: decorator
@inline
function quadratic(s: f32, alpha: f32, offset: f32): f32 {
  return s > 0 ? alpha * s + offset : -alpha * s;
}

// @ts-ignore: decorator
@inline
function linear(s: f32, alpha: f32, offset: f32): f32 {
  return s > 0 ? alpha * s + offset : 0;
}

// @ts-ignore: decorator
@inline
function observed(Y: usize, indices: usize, i: i32, k: usize): usize {
  return Y + <usize>load<u32>(indices + (<usize>i << 2)) * (k << 2);
}

/** G (f64, k x k, upper triangle) += Y'Y over rows [from, to), summed in f32 over `block` (f32, k x k) for 64 rows at a time. */
export function addGram(G: usize, Y: usize, from: i32, to: i32, k: usize, block: usize): void {
  for (let row = from; row < to; row += 64) {
    memory.fill(block, 0, k * k * 4);
    const rows = Y + <usize>row * k * 4;
    addOuter<f32>(block, rows, rows, min(64, to - row), k);
    for (let i: usize = 0; i < k; i++) {
      for (let j = i & ~(<usize>1); j < k; j += 2) {
        const at = G + (i * k + j) * 8;
        v128.store(at, f64x2.add(v128.load(at), f64x2.promote_low_f32x4(v128.load64_zero(block + (i * k + j) * 4))));
      }
    }
  }
}

/** sums (f64, k) += y_j^2 times the row's number of observations, over rows [from, to). */
export function addSquares(sums: usize, Y: usize, pointers: usize, from: i32, to: i32, k: usize): void {
  for (let row = from; row < to; row++) {
    const at = pointers + (<usize>row << 2), y = Y + <usize>row * k * 4;
    const count = f64x2.splat(<f64>(load<i32>(at, 4) - load<i32>(at)));
    for (let o: usize = 0; o < k * 8; o += 16) {
      const v = f64x2.promote_low_f32x4(v128.load64_zero(y + (o >> 1)));
      v128.store(sums + o, madd<f64>(count, f64x2.mul(v, v), v128.load(sums + o)));
    }
  }
}

/** Adds the observations [from, to) to A (f64, k x k, upper) and b (f64). scratch: 2 * 32 * k f64. */
export function observe(A: usize, b: usize, Y: usize, indices: usize, strengths: usize, from: i32, to: i32, k: usize,
  alpha: f32, quadraticOffset: f32, linearOffset: f32, scratch: usize): void {
  const rowBytes = k * 8, scaled = scratch + <usize>BATCH * rowBytes;
  for (let start = from; start < to; start += BATCH) {
    const count = min(BATCH, to - start);
    for (let t = 0; t < count; t++) {
      const s = load<f32>(strengths + (<usize>(start + t) << 2)), y = observed(Y, indices, start + t, k);
      const a = f64x2.splat(quadratic(s, alpha, quadraticOffset)), l = f64x2.splat(linear(s, alpha, linearOffset));
      const row = scratch + <usize>t * rowBytes, times = scaled + <usize>t * rowBytes;
      for (let o: usize = 0; o < rowBytes; o += 16) {
        const v = f64x2.promote_low_f32x4(v128.load64_zero(y + (o >> 1)));
        v128.store(row + o, v);
        v128.store(times + o, f64x2.mul(a, v));
        v128.store(b + o, madd<f64>(l, v, v128.load(b + o)));
      }
    }
    addOuter<f64>(A, scratch, scaled, count, k);
  }
}

/** x (f64, k) <- A^-1 x with reg added to A's diagonal; A is destroyed. inverse: k f64. */
export function solve(A: usize, x: usize, inverse: usize, k: usize, reg: f64): void {
  for (let i: usize = 0; i < k; i++) {
    const at = A + i * (k + 1) * 8;
    // Unknowns that nothing touches (padding) must not make the matrix singular.
    const d = load<f64>(at) + reg;
    store<f64>(at, d > 0 ? d : 1);
  }
  factorize<f64>(A, inverse, k);
  substitute<f64>(A, inverse, x, k);
}

/**
 * Rows [from, to) of X exactly, in f64 throughout, rounded to f32. G (f64, upper) already times W; regs: one f64 a row.
 * scratch: (k + 66) * k f64.
 */
export function solveRows(X: usize, Y: usize, G: usize, pointers: usize, indices: usize, strengths: usize, regs: usize,
  from: i32, to: i32, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, scratch: usize): void {
  const A = scratch, b = A + k * k * 8, inverse = b + k * 8, rest = inverse + k * 8;
  for (let row = from; row < to; row++) {
    const start = load<i32>(pointers + (<usize>row << 2)), end = load<i32>(pointers + (<usize>row << 2), 4);
    const x = X + <usize>row * k * 4;
    if (start == end) { memory.fill(x, 0, k * 4); continue; }
    memory.copy(A, G, k * k * 8);
    memory.fill(b, 0, k * 8);
    observe(A, b, Y, indices, strengths, start, end, k, alpha, quadraticOffset, linearOffset, rest);
    solve(A, b, inverse, k, load<f64>(regs + (<usize>row << 3)));
    for (let o: usize = 0; o < k; o++) store<f32>(x + o * 4, <f32>load<f64>(b + o * 8));
  }
}

/**
 * Rows [from, to) of X by `steps` preconditioned conjugate-gradient steps from where they are, in the basis in which
 * W G is diagonal. curvature: that diagonal (k f32); spread: the mean of y_j^2 over all observations (k f32), so that
 * curvature + reg + (sum a) spread approximates the diagonal of the row's matrix. scratch: 6 k f32 and TABLE_BYTES.
 */
export function improveRows(X: usize, Y: usize, curvature: usize, pointers: usize, indices: usize, strengths: usize,
  regs: usize, from: i32, to: i32, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, spread: usize,
  steps: i32, scratch: usize): void {
  const bytes = k * 4, block = blockRows(bytes);
  const r = scratch, p = r + bytes, ap = p + bytes, diagonal = ap + bytes, inverse = diagonal + bytes, table = inverse + bytes;
  const zero = f32x4.splat(0);
  for (let row = from; row < to; row++) {
    const start = load<i32>(pointers + (<usize>row << 2)), end = load<i32>(pointers + (<usize>row << 2), 4);
    const x = X + <usize>row * bytes;
    if (start == end) { memory.fill(x, 0, bytes); continue; }
    const fits = end - start <= block;
    const reg = f32x4.splat(<f32>load<f64>(regs + (<usize>row << 3)));
    let total: f32 = 0;
    for (let o: usize = 0; o < bytes; o += 16) {
      const d = f32x4.add(reg, v128.load(curvature + o));
      v128.store(diagonal + o, d);
      v128.store(r + o, f32x4.neg(f32x4.mul(d, v128.load(x + o))));
    }
    for (let at = start; at < end; at += block) {
      const count = min(block, end - at);
      total += tabulate(table, Y, indices, strengths, at, count, bytes, alpha, quadraticOffset, linearOffset);
      weigh(table, x, count, bytes, true);
      gatherWeighted(r, table, count, bytes);
    }
    const weight = f32x4.splat(max<f32>(total, 0));
    let sum = zero;
    for (let o: usize = 0; o < bytes; o += 16) {
      const d = madd<f32>(weight, v128.load(spread + o), v128.load(diagonal + o));
      const inv = v128.and(f32x4.div(f32x4.splat(1), d), f32x4.gt(d, zero));
      const residual = v128.load(r + o), z = f32x4.mul(inv, residual);
      v128.store(inverse + o, inv);
      v128.store(p + o, z);
      sum = madd<f32>(z, residual, sum);
    }
    let rz = sum4(sum);
    for (let step = 0; step < steps && rz > 1e-20; step++) {
      for (let o: usize = 0; o < bytes; o += 16) v128.store(ap + o, f32x4.mul(v128.load(diagonal + o), v128.load(p + o)));
      for (let at = start; at < end; at += block) {
        const count = min(block, end - at);
        if (!fits) tabulate(table, Y, indices, strengths, at, count, bytes, alpha, quadraticOffset, linearOffset);
        weigh(table, p, count, bytes, false);
        gatherWeighted(ap, table, count, bytes);
      }
      const length = rz / dot<f32>(p, ap, bytes);
      axpy<f32>(x, p, length, bytes);
      if (step + 1 == steps) break;
      const back = f32x4.splat(length);
      sum = zero;
      for (let o: usize = 0; o < bytes; o += 16) {
        const residual = nmadd<f32>(back, v128.load(ap + o), v128.load(r + o));
        v128.store(r + o, residual);
        sum = madd<f32>(residual, f32x4.mul(residual, v128.load(inverse + o)), sum);
      }
      const next = sum4(sum), beta = f32x4.splat(next / rz);
      for (let o: usize = 0; o < bytes; o += 16) {
        v128.store(p + o, madd<f32>(beta, v128.load(p + o), f32x4.mul(v128.load(r + o), v128.load(inverse + o))));
      }
      rz = next;
    }
  }
}

/**
 * Over rows [from, to) of X: sum of x'Gx + reg |x|^2 + sum over observations of a d^2 - 2 b d + b with d = x . y.
 * G: f64, upper, times W. Products in f32, sums in f64.
 */
export function lossOfRows(X: usize, Y: usize, G: usize, pointers: usize, indices: usize, strengths: usize, regs: usize,
  from: i32, to: i32, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32): f64 {
  let total: f64 = 0;
  for (let row = from; row < to; row++) {
    const x = X + <usize>row * k * 4, end = load<i32>(pointers + (<usize>row << 2), 4);
    for (let i = load<i32>(pointers + (<usize>row << 2)); i < end; i++) {
      const s = load<f32>(strengths + (<usize>i << 2)), d = <f64>dot<f32>(x, observed(Y, indices, i, k), k * 4);
      const b = <f64>linear(s, alpha, linearOffset);
      total += (<f64>quadratic(s, alpha, quadraticOffset) * d - 2 * b) * d + b;
    }
    total += quadraticForm(G, x, k) + load<f64>(regs + (<usize>row << 3)) * <f64>dot<f32>(x, x, k * 4);
  }
  return total;
}

/** x'Gx from the upper triangle. */
function quadraticForm(G: usize, x: usize, k: usize): f64 {
  let total: f64 = 0;
  for (let i: usize = 0; i < k; i++) {
    const xi = <f64>load<f32>(x + i * 4);
    let rest: f64 = 0;
    for (let j = i + 1; j < k; j++) rest += load<f64>(G + (i * k + j) * 8) * <f64>load<f32>(x + j * 4);
    total += xi * (xi * load<f64>(G + i * (k + 1) * 8) + 2 * rest);
  }
  return total;
}
