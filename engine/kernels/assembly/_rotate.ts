// Rotating factors into the basis in which their Gram matrix is diagonal. Scores and norms do not change under it.
import { dot, madd, nmadd } from './_vector';
import { factorize } from './_dense';

/**
 * Two rows count as orthogonal once their product is below this share of the smaller squared norm: then what is left beside
 * the diagonal of Q'GQ is below it relative to either curvature, beneath float32's own noise.
 */
const PRODUCT: f64 = 3e-8;
const SWEEPS: i32 = 30;
/** Of the trace, added to the diagonal meanwhile: more than the float32 noise that could make a singular G indefinite. */
const SHIFT: f64 = 1e-6;

/**
 * G = Q L Q' for a positive semi-definite G (f64, k x k, upper; destroyed) by one-sided Jacobi on its Cholesky factor U
 * (Hestenes; Golub & Van Loan, 8.6.3): the rows of U are rotated in pairs until orthogonal. That leaves U'U = G as it is, so
 * that their squared norms are L, and they, of length 1, the columns of Q.
 * Writes Q (f32, k x k, row-major: new vector = old vector times Q) and L (f32, k). scratch: 2 k f64, then k x k f64.
 */
export function diagonalize(G: usize, Q: usize, L: usize, k: usize, scratch: usize): void {
  const bytes = k * 8, norms = scratch + bytes, U = norms + bytes;
  let trace: f64 = 0;
  for (let i: usize = 0; i < k; i++) trace += load<f64>(G + i * (k + 1) * 8);
  const shift = SHIFT * trace;
  for (let i: usize = 0; i < k; i++) store<f64>(G + i * (k + 1) * 8, load<f64>(G + i * (k + 1) * 8) + shift);
  factorize<f64>(G, scratch, k);
  memory.fill(U, 0, k * bytes);
  for (let i: usize = 0; i < k; i++) {
    const from = i * (k + 1) * 8;
    memory.copy(U + from, G + from, bytes - i * 8);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) if (!sweepOnce(U, norms, k)) break;
  for (let i: usize = 0; i < k; i++) {
    const row = U + i * bytes, square = dot<f64>(row, row, bytes), scale = square > 0 ? 1 / sqrt(square) : 0;
    store<f32>(L + i * 4, <f32>(square - shift));
    for (let j: usize = 0; j < k; j++) store<f32>(Q + (j * k + i) * 4, <f32>(scale * load<f64>(row + j * 8)));
    // All of G is zero: any basis will do.
    if (square == 0) store<f32>(Q + i * (k + 1) * 4, 1);
  }
}

/** Rotates every pair of rows that is not orthogonal; whether there was one. norms: of the rows, squared. */
function sweepOnce(U: usize, norms: usize, k: usize): bool {
  const bytes = k * 8;
  let rotated = false;
  for (let i: usize = 0; i < k; i++) store<f64>(norms + i * 8, dot<f64>(U + i * bytes, U + i * bytes, bytes));
  for (let i: usize = 0; i + 1 < k; i++) {
    const a = U + i * bytes;
    for (let j = i + 1; j < k; j++) {
      const b = U + j * bytes, ab = dot<f64>(a, b, bytes), aa = load<f64>(norms + i * 8), bb = load<f64>(norms + j * 8);
      if (abs(ab) <= PRODUCT * min(aa, bb)) continue;
      rotated = true;
      const zeta = (bb - aa) / (2 * ab);
      const t = (zeta < 0 ? -1.0 : 1.0) / (abs(zeta) + sqrt(1 + zeta * zeta));
      const c = 1 / sqrt(1 + t * t), s = c * t;
      const cosine = f64x2.splat(c), sine = f64x2.splat(s);
      for (let o: usize = 0; o < bytes; o += 16) {
        const u = v128.load(a + o), v = v128.load(b + o);
        v128.store(a + o, nmadd<f64>(sine, v, f64x2.mul(cosine, u)));
        v128.store(b + o, madd<f64>(sine, u, f64x2.mul(cosine, v)));
      }
      store<f64>(norms + i * 8, aa - t * ab);
      store<f64>(norms + j * 8, bb + t * ab);
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
