// Dense symmetric systems A x = b of width k (a multiple of 16), upper triangle, row-major, T is f32 or f64.
import { madd, nmadd, sumLanes } from './_vector';

/**
 * A += sum over `count` rows t of S_t' R_t, upper triangle in tiles of 4 rows by two vectors (tiles on the diagonal also
 * write below it, which nobody reads). R: rows, S: the same rows times their weights.
 */
export function addOuter<T>(A: usize, R: usize, S: usize, count: i32, k: usize): void {
  const one = sizeof<T>(), rowBytes = k * one;
  const end = R + <usize>count * rowBytes;
  for (let i: usize = 0; i < k; i += 4) {
    for (let j: usize = (i * one) & ~(<usize>31); j < rowBytes; j += 32) {
      let a = A + i * rowBytes + j;
      const b = a + rowBytes, c = b + rowBytes, d = c + rowBytes;
      let a0 = v128.load(a), a1 = v128.load(a, 16), b0 = v128.load(b), b1 = v128.load(b, 16);
      let c0 = v128.load(c), c1 = v128.load(c, 16), d0 = v128.load(d), d1 = v128.load(d, 16);
      let s = S + i * one;
      for (let r = R + j; r < end; r += rowBytes) {
        const r0 = v128.load(r), r1 = v128.load(r, 16);
        let w = v128.load_splat<T>(s);
        a0 = madd<T>(w, r0, a0); a1 = madd<T>(w, r1, a1);
        w = v128.load_splat<T>(s, sizeof<T>());
        b0 = madd<T>(w, r0, b0); b1 = madd<T>(w, r1, b1);
        w = v128.load_splat<T>(s, 2 * sizeof<T>());
        c0 = madd<T>(w, r0, c0); c1 = madd<T>(w, r1, c1);
        w = v128.load_splat<T>(s, 3 * sizeof<T>());
        d0 = madd<T>(w, r0, d0); d1 = madd<T>(w, r1, d1);
        s += rowBytes;
      }
      v128.store(a, a0); v128.store(a, a1, 16); v128.store(b, b0); v128.store(b, b1, 16);
      v128.store(c, c0); v128.store(c, c1, 16); v128.store(d, d0); v128.store(d, d1, 16);
    }
  }
}

/**
 * A = U'U in place (right-looking, four pivots at a time), the inverse of each pivot kept in `inverse`.
 * A pivot that rounding or a singular matrix leaves at or below 1e-7 (f32) or 1e-14 (f64) of its diagonal, or 1e-20 of the
 * largest diagonal (products of float32 numbers that small have lost their digits), gets the inverse 0: that unknown
 * becomes 0, the others still solve the rest. Source: Golub & Van Loan, 4.2.
 */
export function factorize<T>(A: usize, inverse: usize, k: usize): void {
  const one = sizeof<T>(), rowBytes = k * one;
  const tiny: T = sizeof<T>() == 4 ? <T>1e-7 : <T>1e-14;
  let largest: T = 0;
  for (let i: usize = 0; i < k; i++) largest = max<T>(largest, load<T>(A + i * rowBytes + i * one));
  for (let i: usize = 0; i < k; i++) {
    store<T>(inverse + i * one, max<T>(load<T>(A + i * rowBytes + i * one) * tiny, largest * <T>1e-20));
  }
  for (let p: usize = 0; p < k; p += 4) {
    const first = A + p * rowBytes;
    for (let q: usize = 0; q < 4; q++) {
      const pivotRow = first + q * rowBytes, at = (p + q) * one;
      const pivot = load<T>(pivotRow + at);
      const inv: T = pivot > load<T>(inverse + at) ? <T>1 / sqrt<T>(pivot) : <T>0;
      store<T>(inverse + at, inv);
      const scale = v128.splat<T>(inv), from = (p * one) & ~(<usize>15);
      for (let j = from; j < rowBytes; j += 16) v128.store(pivotRow + j, v128.mul<T>(scale, v128.load(pivotRow + j)));
      for (let m = q + 1; m < 4; m++) {
        const row = first + m * rowBytes, w = v128.splat<T>(load<T>(pivotRow + (p + m) * one));
        for (let j = from; j < rowBytes; j += 16) {
          v128.store(row + j, nmadd<T>(w, v128.load(pivotRow + j), v128.load(row + j)));
        }
      }
    }
    update<T>(A, first, p + 4, k);
  }
}

/** The trailing matrix from row `from` on, less the outer products of the four pivot rows at `u`. Two rows at a time. */
function update<T>(A: usize, u: usize, from: usize, k: usize): void {
  const one = sizeof<T>(), rowBytes = k * one;
  for (let i = from; i < k; i += 2) {
    const at = u + i * one;
    const a0 = v128.load_splat<T>(at), a1 = v128.load_splat<T>(at + rowBytes);
    const a2 = v128.load_splat<T>(at + 2 * rowBytes), a3 = v128.load_splat<T>(at + 3 * rowBytes);
    const b0 = v128.load_splat<T>(at + one), b1 = v128.load_splat<T>(at + rowBytes + one);
    const b2 = v128.load_splat<T>(at + 2 * rowBytes + one), b3 = v128.load_splat<T>(at + 3 * rowBytes + one);
    const row = A + i * rowBytes, next = row + rowBytes;
    for (let j = (i * one) & ~(<usize>15); j < rowBytes; j += 16) {
      const u0 = v128.load(u + j), u1 = v128.load(u + rowBytes + j);
      const u2 = v128.load(u + 2 * rowBytes + j), u3 = v128.load(u + 3 * rowBytes + j);
      v128.store(row + j, nmadd<T>(a3, u3, nmadd<T>(a2, u2, nmadd<T>(a1, u1, nmadd<T>(a0, u0, v128.load(row + j))))));
      v128.store(next + j, nmadd<T>(b3, u3, nmadd<T>(b2, u2, nmadd<T>(b1, u1, nmadd<T>(b0, u0, v128.load(next + j))))));
    }
  }
}

/** Solves U'U x = x in place. */
export function substitute<T>(A: usize, inverse: usize, x: usize, k: usize): void {
  const one = sizeof<T>(), rowBytes = k * one;
  for (let i: usize = 0; i < k; i++) {
    const at = i * one, row = A + i * rowBytes;
    const value = load<T>(x + at) * load<T>(inverse + at);
    store<T>(x + at, value);
    let j = at + one;
    for (; j < rowBytes && (j & 15) != 0; j += one) store<T>(x + j, load<T>(x + j) - value * load<T>(row + j));
    const w = v128.splat<T>(value);
    for (; j < rowBytes; j += 16) v128.store(x + j, nmadd<T>(w, v128.load(row + j), v128.load(x + j)));
  }
  for (let i: isize = k - 1; i >= 0; i--) {
    const at = <usize>i * one, row = A + <usize>i * rowBytes;
    let rest: T = 0;
    let j = at + one;
    for (; j < rowBytes && (j & 15) != 0; j += one) rest += load<T>(row + j) * load<T>(x + j);
    let s = v128.splat<T>(<T>0);
    for (; j < rowBytes; j += 16) s = madd<T>(v128.load(row + j), v128.load(x + j), s);
    rest += sumLanes<T>(s);
    store<T>(x + at, (load<T>(x + at) - rest) * load<T>(inverse + at));
  }
}
