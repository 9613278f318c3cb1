// The weights of one observation (engine/als/weights.ts).

/** A strength s weighs a = alpha s + offset if it is positive, else a = -alpha s. */
// @ts-ignore: decorator
@inline
export function quadratic(s: f32, alpha: f32, offset: f32): f32 {
  return s > 0 ? alpha * s + offset : -alpha * s;
}

/** b = alpha s + offset if s is positive, else 0. */
// @ts-ignore: decorator
@inline
export function linear(s: f32, alpha: f32, offset: f32): f32 {
  return s > 0 ? alpha * s + offset : 0;
}

/** Address of the vector that observation i is of. */
// @ts-ignore: decorator
@inline
export function observed(Y: usize, indices: usize, i: i32, k: usize): usize {
  return Y + <usize>load<u32>(indices + (<usize>i << 2)) * (k << 2);
}
