// What one row's conjugate gradients do between their passes over its observations. With A the row's matrix,
// D = curvature + reg its diagonal part that is known without observations, and M = D + (sum a) spread, which approximates
// the diagonal of A: r = rhs - A x, p the direction, q = A p. A step's length is (r . r / M) / (p . A p), where
// p . A p = D p . p + sum a (y.p)^2 is known before q is, so that the last step needs no q.
import { axpy, dot, madd, nmadd, sum4 } from './_vector';

/** A row's state: five vectors of `bytes` bytes (r, p, q, D, 1 / M), then single numbers. */
export const STEP: usize = 1;
export const RIGHT: usize = 2;
const DIAGONAL: usize = 3;
const INVERSE: usize = 4;
const NUMBERS: usize = 5;
/** Offsets of the numbers: r . r / M; the value of it at which to stop; three for the caller. */
const GOAL: usize = 4;
export const OWN: usize = 8;

// @ts-ignore: decorator
@inline
export function stateBytes(bytes: usize): usize { return NUMBERS * bytes + 64; }

// @ts-ignore: decorator
@inline
export function numbersOf(state: usize, bytes: usize): usize { return state + NUMBERS * bytes; }

/** D, and r = -D x: the caller adds sum (b - a (y.x)) y. */
export function begin(state: usize, x: usize, curvature: usize, reg: f32, bytes: usize): void {
  const shift = f32x4.splat(reg), diagonal = state + DIAGONAL * bytes;
  for (let o: usize = 0; o < bytes; o += 16) {
    const d = f32x4.add(shift, v128.load(curvature + o));
    v128.store(diagonal + o, d);
    v128.store(state + o, f32x4.neg(f32x4.mul(d, v128.load(x + o))));
  }
}

/** The first direction for the row's r and `total` = sum a; whether the error is below the tolerance already. */
export function aim(state: usize, x: usize, spread: usize, total: f32, tolerance: f32, bytes: usize): bool {
  const p = state + STEP * bytes, diagonal = state + DIAGONAL * bytes, inverse = state + INVERSE * bytes;
  const zero = f32x4.splat(0), weight = f32x4.splat(max<f32>(total, 0));
  let sum = zero, size = zero;
  for (let o: usize = 0; o < bytes; o += 16) {
    const d = madd<f32>(weight, v128.load(spread + o), v128.load(diagonal + o));
    const inv = v128.and(f32x4.div(f32x4.splat(1), d), f32x4.gt(d, zero));
    const residual = v128.load(state + o), z = f32x4.mul(inv, residual), value = v128.load(x + o);
    v128.store(inverse + o, inv);
    v128.store(p + o, z);
    sum = madd<f32>(z, residual, sum);
    size = madd<f32>(f32x4.mul(value, value), d, size);
  }
  const rz = sum4(sum), goal = max<f32>(tolerance * tolerance * sum4(size), 1e-30), numbers = numbersOf(state, bytes);
  store<f32>(numbers, rz);
  store<f32>(numbers, goal, GOAL);
  return rz <= goal;
}

/** q = D p, and p . D p: the caller adds sum a (y.p) y to one and sum a (y.p)^2 to the other. */
export function curve(state: usize, bytes: usize): f32 {
  const p = state + STEP * bytes, q = state + RIGHT * bytes, diagonal = state + DIAGONAL * bytes;
  for (let o: usize = 0; o < bytes; o += 16) v128.store(q + o, f32x4.mul(v128.load(diagonal + o), v128.load(p + o)));
  return dot<f32>(p, q, bytes);
}

/** Goes the step, with bend = p . A p, and finds the next direction; whether there is one to go. */
export function advance(state: usize, x: usize, bend: f32, last: bool, bytes: usize): bool {
  if (!(bend > 0)) return false;
  const p = state + STEP * bytes, q = state + RIGHT * bytes, inverse = state + INVERSE * bytes;
  const numbers = numbersOf(state, bytes), rz = load<f32>(numbers), length = rz / bend;
  axpy<f32>(x, p, length, bytes);
  if (last) return false;
  const back = f32x4.splat(length);
  let sum = f32x4.splat(0);
  for (let o: usize = 0; o < bytes; o += 16) {
    const residual = nmadd<f32>(back, v128.load(q + o), v128.load(state + o));
    v128.store(state + o, residual);
    sum = madd<f32>(residual, f32x4.mul(residual, v128.load(inverse + o)), sum);
  }
  const next = sum4(sum), beta = f32x4.splat(next / rz);
  if (next <= load<f32>(numbers, GOAL) * 0.25) return false;
  for (let o: usize = 0; o < bytes; o += 16) {
    v128.store(p + o, madd<f32>(beta, v128.load(p + o), f32x4.mul(v128.load(state + o), v128.load(inverse + o))));
  }
  store<f32>(numbers, next);
  return true;
}
