// Kernels of alternating least squares and fold-in (DESIGN section 4). A row (user or item) with observations i of
// strength s_i solves (W G + sum a_i y_i y_i' + reg I) x = sum b_i y_i, where G = Y'Y and
//   s > 0: a = alpha s + quadraticOffset, b = alpha s + linearOffset;   s < 0: a = -alpha s, b = 0.
// All rows are `k` wide, k a multiple of 16, zero in the padding, aligned to 16 bytes. Pointers are byte offsets.
// Twins: engine/kernels/twins/als.ts.
import { addOuter } from './_dense';
import { dot, madd } from './_vector';
import { linear, observed, quadratic } from './_weights';
export { observe, solve, solveRows } from './_exact';
export { improveRows } from './_gradients';
export { improveTogether, rowsTogether } from './_together';
export { pack } from './_passes';
export { diagonalize, rotateRows } from './_rotate';

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
