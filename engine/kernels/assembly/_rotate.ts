// Rotating factors into the basis in which their Gram matrix is diagonal. Scores and norms do not change under it.
import { dot, madd, nmadd } from './_vector';
import { factorize } from './_dense';

/** Two rows are orthogonal once their cosine is below this: beneath float32's own noise. */
const COSINE: f64 = 1e-7;
const SWEEPS: i32 = 30;
/** Of the trace, added to the diagonal meanwhile: more than the float32 noise that could make a singular G indefinite. */
const SHIFT: f64 = 1e-6;

/**
 * G = Q L Q' for a positive semi-definite G (f64, k x k, upper; destroyed) by one-sided Jacobi on its Cholesky factor
 * (Hestenes; Golub & Van Loan, 8.6.3): the rows of U' are rotated in pairs until orthogonal, their squared norms are L.
 * Writes Q (f32, k x k, row-major: new vector = old vector times Q) and L (f32, k). scratch: k f64, then k x 2k f64.
 */
export function diagonalize(G: usize, Q: usize, L: usize, k: usize, scratch: usize): void {
  const bytes = k * 8, W = scratch + bytes;
  let trace: f64 = 0;
  for (let i: usize = 0; i < k; i++) trace += load<f64>(G + i * (k + 1) * 8);
  const shift = SHIFT * trace;
  for (let i: usize = 0; i < k; i++) store<f64>(G + i * (k + 1) * 8, load<f64>(G + i * (k + 1) * 8) + shift);
  factorize<f64>(G, scratch, k);
  memory.fill(W, 0, 2 * k * bytes);
  for (let i: usize = 0; i < k; i++) {
    // A row: column i of U, then row i of the identity, which gathers Q'.
    const row = W + i * 2 * bytes;
    for (let j: usize = 0; j <= i; j++) store<f64>(row + j * 8, load<f64>(G + j * bytes + i * 8));
    store<f64>(row + bytes + i * 8, 1);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) if (!sweepOnce(W, k)) break;
  for (let i: usize = 0; i < k; i++) {
    const row = W + i * 2 * bytes;
    store<f32>(L + i * 4, <f32>(dot<f64>(row, row, bytes) - shift));
    for (let j: usize = 0; j < k; j++) store<f32>(Q + (j * k + i) * 4, <f32>load<f64>(row + bytes + j * 8));
  }
}

/** Rotates every pair of rows that is not orthogonal; whether there was one. */
function sweepOnce(W: usize, k: usize): bool {
  const bytes = k * 8;
  let rotated = false;
  for (let i: usize = 0; i + 1 < k; i++) {
    const a = W + i * 2 * bytes;
    let aa = dot<f64>(a, a, bytes);
    for (let j = i + 1; j < k; j++) {
      const b = W + j * 2 * bytes;
      const ab = dot<f64>(a, b, bytes), bb = dot<f64>(b, b, bytes);
      if (ab * ab <= COSINE * COSINE * aa * bb) continue;
      rotated = true;
      const zeta = (bb - aa) / (2 * ab);
      const t = (zeta < 0 ? -1.0 : 1.0) / (abs(zeta) + sqrt(1 + zeta * zeta));
      const c = 1 / sqrt(1 + t * t), s = c * t;
      const cosine = f64x2.splat(c), sine = f64x2.splat(s);
      for (let o: usize = 0; o < 2 * bytes; o += 16) {
        const u = v128.load(a + o), v = v128.load(b + o);
        v128.store(a + o, nmadd<f64>(sine, v, f64x2.mul(cosine, u)));
        v128.store(b + o, madd<f64>(sine, u, f64x2.mul(cosine, v)));
      }
      aa = dot<f64>(a, a, bytes);
    }
  }
  return rotated;
}

/** Rows [from, to) of X <- X Q. Tiles of 4 rows by 8 columns. scratch: 64 k f32. */
export function rotateRows(X: usize, Q: usize, from: i32, to: i32, k: usize, scratch: usize): void {
  const bytes = k * 4;
  for (let start = from; start < to; start += 64) {
    const count = min(64, to - start), rows = X + <usize>start * bytes;
    memory.copy(scratch, rows, <usize>count * bytes);
    for (let j: usize = 0; j < bytes; j += 32) {
      let t: usize = 0;
      for (; t + 4 <= <usize>count; t += 4) rotateFour(rows + t * bytes + j, scratch + t * bytes, Q + j, bytes);
      for (; t < <usize>count; t++) rotateOne(rows + t * bytes + j, scratch + t * bytes, Q + j, bytes);
    }
  }
}

// @ts-ignore: decorator
@inline
function rotateFour(out: usize, x: usize, q: usize, bytes: usize): void {
  let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  const y = x + bytes, z = y + bytes, w = z + bytes;
  for (let i: usize = 0; i < bytes; i += 4) {
    const q0 = v128.load(q), q1 = v128.load(q, 16);
    let s = v128.load_splat<f32>(x + i);
    a0 = madd<f32>(s, q0, a0); a1 = madd<f32>(s, q1, a1);
    s = v128.load_splat<f32>(y + i);
    b0 = madd<f32>(s, q0, b0); b1 = madd<f32>(s, q1, b1);
    s = v128.load_splat<f32>(z + i);
    c0 = madd<f32>(s, q0, c0); c1 = madd<f32>(s, q1, c1);
    s = v128.load_splat<f32>(w + i);
    d0 = madd<f32>(s, q0, d0); d1 = madd<f32>(s, q1, d1);
    q += bytes;
  }
  v128.store(out, a0); v128.store(out, a1, 16); out += bytes;
  v128.store(out, b0); v128.store(out, b1, 16); out += bytes;
  v128.store(out, c0); v128.store(out, c1, 16); out += bytes;
  v128.store(out, d0); v128.store(out, d1, 16);
}

// @ts-ignore: decorator
@inline
function rotateOne(out: usize, x: usize, q: usize, bytes: usize): void {
  let a0 = f32x4.splat(0), a1 = a0;
  for (let i: usize = 0; i < bytes; i += 4) {
    const s = v128.load_splat<f32>(x + i);
    a0 = madd<f32>(s, v128.load(q), a0); a1 = madd<f32>(s, v128.load(q, 16), a1);
    q += bytes;
  }
  v128.store(out, a0); v128.store(out, a1, 16);
}
