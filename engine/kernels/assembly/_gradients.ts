// Rows improved by conjugate gradients, one at a time. Shapes and names as in als.ts.
import { solveRow } from './_exact';
import { advance, aim, begin, curve, RIGHT, stateBytes, STEP } from './_descent';
import { blockRows, gatherWeighted, TABLE_BYTES, tabulate, weigh, WEIGHT } from './_passes';

/** Restarts before Cholesky takes over. */
const ATTEMPTS: i32 = 4;

/**
 * Rows [from, to) of X by preconditioned conjugate gradients from where they are, in the basis in which W G is diagonal.
 * curvature: that diagonal (k f32); spread: the mean of y_j^2 over all observations (k f32).
 * tolerance 0: `steps` steps on Y packed (_passes.ts). Above 0: Y is not packed, and steps are taken
 * until the error, |r| in the norm of 1/M over |x| in the norm of M, is below it;
 * anew from the true residual every `steps` steps, and by Cholesky in f64 where f32 does not get there in ATTEMPTS.
 * Rows of more than `longest` observations are left alone (_together.ts does them).
 * far: Y is larger than the caches, so vectors are fetched ahead. scratch: TABLE_BYTES, a row's state, then as for
 * solveRow<f64>. Source: Golub & Van Loan, 11.5.
 */
export function improveRows(X: usize, Y: usize, curvature: usize, pointers: usize, indices: usize, strengths: usize,
  regs: usize, from: i32, to: i32, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, spread: usize,
  steps: i32, tolerance: f32, longest: i32, far: bool, scratch: usize): void {
  const bytes = k * 4, rest = scratch + TABLE_BYTES + stateBytes(bytes);
  for (let row = from; row < to; row++) {
    const start = load<i32>(pointers + (<usize>row << 2)), end = load<i32>(pointers + (<usize>row << 2), 4);
    const x = X + <usize>row * bytes, reg = load<f64>(regs + (<usize>row << 3));
    if (end - start > longest) continue;
    if (start == end) { memory.fill(x, 0, bytes); continue; }
    if (tolerance == 0) {
      improve<u16>(x, Y, curvature, indices, strengths, start, end, <f32>reg, bytes, alpha, quadraticOffset, linearOffset,
        spread, steps, 0, far, scratch);
      continue;
    }
    let done = false;
    for (let attempt = 0; attempt < ATTEMPTS && !done; attempt++) {
      done = improve<f32>(x, Y, curvature, indices, strengths, start, end, <f32>reg, bytes, alpha, quadraticOffset,
        linearOffset, spread, steps, tolerance, far, scratch);
    }
    if (!done) {
      solveRow<f64>(x, Y, curvature, indices, strengths, start, end, reg, k, alpha, quadraticOffset, linearOffset, rest);
    }
  }
}

/** One row; whether its error was below the tolerance before a step was taken. */
function improve<T>(x: usize, Y: usize, curvature: usize, indices: usize, strengths: usize, from: i32, to: i32, reg: f32,
  bytes: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, spread: usize, steps: i32, tolerance: f32,
  far: bool, table: usize): bool {
  const vector = (bytes >> 2) * sizeof<T>(), block = blockRows(vector), fits = to - from <= block;
  const state = table + TABLE_BYTES, p = state + STEP * bytes;
  begin(state, x, curvature, reg, bytes);
  let total: f32 = 0;
  for (let at = from; at < to; at += block) {
    const count = min(block, to - at);
    tabulate(table, Y, indices, strengths, at, count, u32.MAX_VALUE, vector, alpha, quadraticOffset, linearOffset);
    total += load<f32>(table + WEIGHT);
    weigh<T>(table, x, count, bytes, true, far);
    gatherWeighted<T>(state, table, count, bytes);
  }
  if (aim(state, x, spread, total, tolerance, bytes)) return true;
  for (let step = 0; step < steps; step++) {
    const last = step + 1 == steps;
    let bend = curve(state, bytes);
    for (let at = from; at < to; at += block) {
      const count = min(block, to - at);
      if (!fits) {
        tabulate(table, Y, indices, strengths, at, count, u32.MAX_VALUE, vector, alpha, quadraticOffset, linearOffset);
      }
      bend += weigh<T>(table, p, count, bytes, false, far && !fits);
      if (!last) gatherWeighted<T>(state + RIGHT * bytes, table, count, bytes);
    }
    if (!advance(state, x, bend, last, bytes)) break;
  }
  return false;
}
