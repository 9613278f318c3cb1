// Rows improved by conjugate gradients. Shapes and names as in als.ts.
import { solveRow } from './_exact';
import { blockRows, gatherWeighted, TABLE_BYTES, tabulate, weigh } from './_passes';
import { axpy, dot, madd, nmadd, sum4 } from './_vector';

/** Restarts before Cholesky takes over. */
const ATTEMPTS: i32 = 4;

/**
 * Rows [from, to) of X by preconditioned conjugate gradients from where they are, in the basis in which W G is diagonal.
 * curvature: that diagonal (k f32); spread: the mean of y_j^2 over all observations (k f32), so that the preconditioner
 * M = curvature + reg + (sum a) spread approximates the diagonal of the row's matrix.
 * tolerance 0: `steps` steps on Y packed (_passes.ts). Above 0: Y is not packed, and steps are taken
 * until the error, |r| in the norm of 1/M over |x| in the norm of M, is below it;
 * anew from the true residual every `steps` steps, and by Cholesky in f64 where f32 does not get there in ATTEMPTS.
 * far: Y is larger than the caches, so vectors are fetched ahead. scratch: 5 k f32, TABLE_BYTES, then as for solveRow<f64>. Source: Golub & Van Loan, 11.5.
 */
export function improveRows(X: usize, Y: usize, curvature: usize, pointers: usize, indices: usize, strengths: usize,
  regs: usize, from: i32, to: i32, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, spread: usize,
  steps: i32, tolerance: f32, far: bool, scratch: usize): void {
  const bytes = k * 4, table = scratch + 5 * bytes, rest = table + TABLE_BYTES;
  for (let row = from; row < to; row++) {
    const start = load<i32>(pointers + (<usize>row << 2)), end = load<i32>(pointers + (<usize>row << 2), 4);
    const x = X + <usize>row * bytes, reg = load<f64>(regs + (<usize>row << 3));
    if (start == end) { memory.fill(x, 0, bytes); continue; }
    if (tolerance == 0) {
      improve<u16>(x, Y, curvature, indices, strengths, start, end, <f32>reg, k, alpha, quadraticOffset, linearOffset,
        spread, steps, 0, far, scratch, table);
      continue;
    }
    let done = false;
    for (let attempt = 0; attempt < ATTEMPTS && !done; attempt++) {
      done = improve<f32>(x, Y, curvature, indices, strengths, start, end, <f32>reg, k, alpha, quadraticOffset, linearOffset,
        spread, steps, tolerance, far, scratch, table);
    }
    if (!done) {
      solveRow<f64>(x, Y, curvature, indices, strengths, start, end, reg, k, alpha, quadraticOffset, linearOffset, rest);
    }
  }
}

/** One row; whether its error was below the tolerance before a step was taken. */
function improve<T>(x: usize, Y: usize, curvature: usize, indices: usize, strengths: usize, start: i32, end: i32, reg: f32,
  k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, spread: usize, steps: i32, tolerance: f32,
  far: bool, scratch: usize, table: usize): bool {
  const bytes = k * 4, vector = k * sizeof<T>(), block = blockRows(vector), fits = end - start <= block;
  const r = scratch, p = r + bytes, ap = p + bytes, diagonal = ap + bytes, inverse = diagonal + bytes;
  const zero = f32x4.splat(0), shift = f32x4.splat(reg);
  for (let o: usize = 0; o < bytes; o += 16) {
    const d = f32x4.add(shift, v128.load(curvature + o));
    v128.store(diagonal + o, d);
    v128.store(r + o, f32x4.neg(f32x4.mul(d, v128.load(x + o))));
  }
  let total: f32 = 0;
  for (let at = start; at < end; at += block) {
    const count = min(block, end - at);
    total += tabulate(table, Y, indices, strengths, at, count, vector, alpha, quadraticOffset, linearOffset);
    weigh<T>(table, x, count, bytes, true, far);
    gatherWeighted<T>(r, table, count, bytes);
  }
  const weight = f32x4.splat(max<f32>(total, 0));
  let sum = zero, size = zero;
  for (let o: usize = 0; o < bytes; o += 16) {
    const d = madd<f32>(weight, v128.load(spread + o), v128.load(diagonal + o));
    const inv = v128.and(f32x4.div(f32x4.splat(1), d), f32x4.gt(d, zero));
    const residual = v128.load(r + o), z = f32x4.mul(inv, residual), value = v128.load(x + o);
    v128.store(inverse + o, inv);
    v128.store(p + o, z);
    sum = madd<f32>(z, residual, sum);
    size = madd<f32>(f32x4.mul(value, value), d, size);
  }
  let rz = sum4(sum);
  const goal = max<f32>(tolerance * tolerance * sum4(size), 1e-30);
  if (rz <= goal) return true;
  for (let step = 0; step < steps; step++) {
    for (let o: usize = 0; o < bytes; o += 16) v128.store(ap + o, f32x4.mul(v128.load(diagonal + o), v128.load(p + o)));
    for (let at = start; at < end; at += block) {
      const count = min(block, end - at);
      if (!fits) tabulate(table, Y, indices, strengths, at, count, vector, alpha, quadraticOffset, linearOffset);
      weigh<T>(table, p, count, bytes, false, far && !fits);
      gatherWeighted<T>(ap, table, count, bytes);
    }
    const bend = dot<f32>(p, ap, bytes);
    if (!(bend > 0)) return false;
    const length = rz / bend;
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
    if (next <= goal * 0.25) break;
    for (let o: usize = 0; o < bytes; o += 16) {
      v128.store(p + o, madd<f32>(beta, v128.load(p + o), f32x4.mul(v128.load(r + o), v128.load(inverse + o))));
    }
    rz = next;
  }
  return false;
}
