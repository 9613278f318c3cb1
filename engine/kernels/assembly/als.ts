// Kernels of alternating least squares and fold-in (DESIGN section 4). A row (user or item) with observations i of
// strength s_i solves (W G + sum a_i y_i y_i' + reg I) x = sum b_i y_i, where G = Y'Y and
//   s > 0: a = alpha s + quadraticOffset, b = alpha s + linearOffset;   s < 0: a = -alpha s, b = 0.
// All rows are `k` wide, k a multiple of 16, zero in the padding, aligned to 16 bytes. Pointers are byte offsets.
// Twins: engine/kernels/twins/als.ts.
import { addOuter, factorize, substitute } from './_dense';
import { axpy, dot, madd } from './_vector';

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

/** Adds the observations [from, to) to A (f64, k x k, upper) and b (f64). scratch: 2 * 32 * k f64. */
export function observe(A: usize, b: usize, Y: usize, indices: usize, strengths: usize, from: i32, to: i32, k: usize,
  alpha: f32, quadraticOffset: f32, linearOffset: f32, scratch: usize): void {
  const rowBytes = k * 8, scaled = scratch + BATCH * rowBytes;
  for (let start = from; start < to; start += BATCH) {
    const count = min(BATCH, to - start);
    for (let t = 0; t < count; t++) {
      const s = load<f32>(strengths + (<usize>(start + t) << 2)), y = observed(Y, indices, start + t, k);
      const a = f64x2.splat(quadratic(s, alpha, quadraticOffset)), l = f64x2.splat(linear(s, alpha, linearOffset));
      const row = scratch + t * rowBytes, times = scaled + t * rowBytes;
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

/** out = G x, G dense f32. */
function multiply(out: usize, G: usize, x: usize, k: usize): void {
  const bytes = k * 4;
  memory.fill(out, 0, bytes);
  for (let j: usize = 0; j < bytes; j += 16) {
    const x0 = v128.load_splat<f32>(x + j), x1 = v128.load_splat<f32>(x + j, 4);
    const x2 = v128.load_splat<f32>(x + j, 8), x3 = v128.load_splat<f32>(x + j, 12);
    const g0 = G + (j >> 2) * bytes, g1 = g0 + bytes, g2 = g1 + bytes, g3 = g2 + bytes;
    for (let o: usize = 0; o < bytes; o += 16) {
      const a = madd<f32>(x1, v128.load(g1 + o), madd<f32>(x0, v128.load(g0 + o), v128.load(out + o)));
      v128.store(out + o, madd<f32>(x3, v128.load(g3 + o), madd<f32>(x2, v128.load(g2 + o), a)));
    }
  }
}

/** out += sum over observations of w y, with w = a (y . p), or b - a (y . p) when `residual`. */
function accumulate(out: usize, p: usize, Y: usize, indices: usize, strengths: usize, from: i32, to: i32, k: usize,
  alpha: f32, quadraticOffset: f32, linearOffset: f32, residual: bool): void {
  for (let i = from; i < to; i++) {
    const y = observed(Y, indices, i, k), s = load<f32>(strengths + (<usize>i << 2));
    let w = quadratic(s, alpha, quadraticOffset) * dot<f32>(y, p, k * 4);
    if (residual) w = linear(s, alpha, linearOffset) - w;
    axpy<f32>(out, y, w, k * 4);
  }
}

/** Rows [from, to) of X by `steps` conjugate-gradient steps from where they are. G: f32, full, times W. scratch: 3 k f32. */
export function improveRows(X: usize, Y: usize, G: usize, pointers: usize, indices: usize, strengths: usize, regs: usize,
  from: i32, to: i32, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, steps: i32, scratch: usize): void {
  const bytes = k * 4, r = scratch, p = r + bytes, ap = p + bytes;
  for (let row = from; row < to; row++) {
    const start = load<i32>(pointers + (<usize>row << 2)), end = load<i32>(pointers + (<usize>row << 2), 4);
    const x = X + <usize>row * bytes, reg = <f32>load<f64>(regs + (<usize>row << 3));
    if (start == end) { memory.fill(x, 0, bytes); continue; }
    multiply(r, G, x, k);
    axpy<f32>(r, x, reg, bytes);
    for (let o: usize = 0; o < bytes; o += 16) v128.store(r + o, f32x4.neg(v128.load(r + o)));
    accumulate(r, x, Y, indices, strengths, start, end, k, alpha, quadraticOffset, linearOffset, true);
    memory.copy(p, r, bytes);
    let rs = dot<f32>(r, r, bytes);
    for (let step = 0; step < steps && rs > 1e-20; step++) {
      multiply(ap, G, p, k);
      axpy<f32>(ap, p, reg, bytes);
      accumulate(ap, p, Y, indices, strengths, start, end, k, alpha, quadraticOffset, linearOffset, false);
      const length = rs / dot<f32>(p, ap, bytes);
      axpy<f32>(x, p, length, bytes);
      axpy<f32>(r, ap, -length, bytes);
      const next = dot<f32>(r, r, bytes), beta = f32x4.splat(next / rs);
      for (let o: usize = 0; o < bytes; o += 16) v128.store(p + o, madd<f32>(beta, v128.load(p + o), v128.load(r + o)));
      rs = next;
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
