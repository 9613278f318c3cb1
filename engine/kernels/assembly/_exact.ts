// Rows solved exactly by Cholesky. Shapes and names as in als.ts.
import { addOuter, factorize, substitute } from './_dense';
import { dot, madd } from './_vector';
import { linear, observed, quadratic } from './_weights';

/** Vectors gathered at a time. */
const BATCH: i32 = 32;

/**
 * Adds the observations [from, to) to A (T, k x k, upper) and b (T, k). scratch: 2 * BATCH * k T.
 * T is f64 where the result is handed out, f32 in training.
 */
export function addObservations<T>(A: usize, b: usize, Y: usize, indices: usize, strengths: usize, from: i32, to: i32,
  k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, scratch: usize): void {
  const rowBytes = k * sizeof<T>(), scaled = scratch + <usize>BATCH * rowBytes;
  for (let start = from; start < to; start += BATCH) {
    const count = min(BATCH, to - start);
    for (let t = 0; t < count; t++) {
      const s = load<f32>(strengths + (<usize>(start + t) << 2)), y = observed(Y, indices, start + t, k);
      const a = v128.splat<T>(<T>quadratic(s, alpha, quadraticOffset));
      const l = v128.splat<T>(<T>linear(s, alpha, linearOffset));
      const row = scratch + <usize>t * rowBytes, times = scaled + <usize>t * rowBytes;
      for (let o: usize = 0; o < rowBytes; o += 16) {
        let v: v128;
        if (sizeof<T>() == 4) v = v128.load(y + o);
        else v = f64x2.promote_low_f32x4(v128.load64_zero(y + (o >> 1)));
        v128.store(row + o, v);
        v128.store(times + o, v128.mul<T>(a, v));
        v128.store(b + o, madd<T>(l, v, v128.load(b + o)));
      }
    }
    addOuter<T>(A, scratch, scaled, count, k);
  }
}

/** addObservations in f64, for fold-in. */
export function observe(A: usize, b: usize, Y: usize, indices: usize, strengths: usize, from: i32, to: i32, k: usize,
  alpha: f32, quadraticOffset: f32, linearOffset: f32, scratch: usize): void {
  addObservations<f64>(A, b, Y, indices, strengths, from, to, k, alpha, quadraticOffset, linearOffset, scratch);
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
 * One row by Cholesky in T, rounded to f32, in the basis in which W G is diagonal (curvature, k f32).
 * scratch: (k + 2 + 2 * BATCH) * k T.
 */
export function solveRow<T>(x: usize, Y: usize, curvature: usize, indices: usize, strengths: usize, start: i32, end: i32,
  reg: f64, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, scratch: usize): void {
  const one = sizeof<T>(), A = scratch, b = A + k * k * one, inverse = b + k * one, rest = inverse + k * one;
  memory.fill(A, 0, k * k * one + k * one);
  for (let i: usize = 0; i < k; i++) {
    const d = <f64>load<f32>(curvature + i * 4) + reg;
    store<T>(A + i * (k + 1) * one, <T>(d > 0 ? d : 1));
  }
  addObservations<T>(A, b, Y, indices, strengths, start, end, k, alpha, quadraticOffset, linearOffset, rest);
  factorize<T>(A, inverse, k);
  substitute<T>(A, inverse, b, k);
  for (let o: usize = 0; o < k; o++) store<f32>(x + o * 4, <f32>load<T>(b + o * one));
}

/**
 * One row with few observations by the smaller of two equal systems. With M = curvature + reg and Z = sqrt(a) y / sqrt(M),
 * (M + sum a y y') x = sum b y is x = M^-1/2 Z' (I + Z Z')^-1 (b / sqrt(a)): as wide as there are observations (Woodbury).
 * False, and nothing done, where an a is not positive. scratch: (3 k / 4 + 3) * k f32 for at most k / 2 observations.
 */
function solveShort(x: usize, Y: usize, curvature: usize, indices: usize, strengths: usize, start: i32, count: i32,
  reg: f64, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, scratch: usize): bool {
  const n = <usize>((count + 15) & ~15), bytes = n * 4;
  const Z = scratch, B = Z + k * bytes, v = B + n * bytes, inverse = v + bytes, root = inverse + bytes;
  memory.fill(Z, 0, (k + n + 1) * bytes);
  for (let j: usize = 0; j < k; j++) {
    const d = <f32>(<f64>load<f32>(curvature + j * 4) + reg);
    store<f32>(root + j * 4, d > 0 ? 1 / sqrt<f32>(d) : 0);
  }
  for (let i: i32 = 0; i < count; i++) {
    const s = load<f32>(strengths + (<usize>(start + i) << 2)), y = observed(Y, indices, start + i, k);
    const a = quadratic(s, alpha, quadraticOffset);
    if (!(a > 0)) return false;
    const weight = sqrt<f32>(a), at = <usize>i << 2;
    store<f32>(v + at, linear(s, alpha, linearOffset) / weight);
    for (let j: usize = 0; j < k; j++) {
      store<f32>(Z + j * bytes + at, weight * load<f32>(root + j * 4) * load<f32>(y + j * 4));
    }
  }
  for (let i: usize = 0; i < n; i++) store<f32>(B + i * (n + 1) * 4, 1);
  addOuter<f32>(B, Z, Z, <i32>k, n);
  factorize<f32>(B, inverse, n);
  substitute<f32>(B, inverse, v, n);
  for (let j: usize = 0; j < k; j++) store<f32>(x + j * 4, load<f32>(root + j * 4) * dot<f32>(Z + j * bytes, v, bytes));
  return true;
}

/** Rows [from, to) of X by Cholesky in f32. scratch as for solveRow. */
export function solveRows(X: usize, Y: usize, curvature: usize, pointers: usize, indices: usize, strengths: usize,
  regs: usize, from: i32, to: i32, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, scratch: usize): void {
  for (let row = from; row < to; row++) {
    const start = load<i32>(pointers + (<usize>row << 2)), end = load<i32>(pointers + (<usize>row << 2), 4);
    const x = X + <usize>row * k * 4, reg = load<f64>(regs + (<usize>row << 3));
    if (start == end) { memory.fill(x, 0, k * 4); continue; }
    const solved = <usize>(end - start) * 2 <= k && solveShort(x, Y, curvature, indices, strengths, start, end - start, reg,
      k, alpha, quadraticOffset, linearOffset, scratch);
    if (!solved) solveRow<f32>(x, Y, curvature, indices, strengths, start, end, reg, k, alpha, quadraticOffset, linearOffset, scratch);
  }
}
