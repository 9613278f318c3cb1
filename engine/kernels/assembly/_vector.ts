// Shared inline pieces of the kernels. Pointers are byte offsets; vectors are 16 bytes: four f32 or two f64.

/** a * b + c, fused where the machine can. */
// @ts-ignore: decorator
@inline
export function madd<T>(a: v128, b: v128, c: v128): v128 {
  return v128.relaxed_madd<T>(a, b, c);
}

/** c - a * b. */
// @ts-ignore: decorator
@inline
export function nmadd<T>(a: v128, b: v128, c: v128): v128 {
  return v128.relaxed_nmadd<T>(a, b, c);
}

/** Sum of the four lanes, in a fixed order. */
// @ts-ignore: decorator
@inline
export function sum4(s: v128): f32 {
  return (f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1)) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
}

// @ts-ignore: decorator
@inline
export function sumLanes<T>(s: v128): T {
  if (sizeof<T>() == 4) return <T>sum4(s);
  return <T>(f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1));
}

/** Dot product of `bytes` bytes; bytes is a multiple of 64. */
export function dot<T>(a: usize, b: usize, bytes: usize): T {
  let s0 = v128.splat<T>(<T>0), s1 = s0, s2 = s0, s3 = s0;
  for (let o: usize = 0; o < bytes; o += 64) {
    s0 = madd<T>(v128.load(a + o), v128.load(b + o), s0);
    s1 = madd<T>(v128.load(a + o, 16), v128.load(b + o, 16), s1);
    s2 = madd<T>(v128.load(a + o, 32), v128.load(b + o, 32), s2);
    s3 = madd<T>(v128.load(a + o, 48), v128.load(b + o, 48), s3);
  }
  return sumLanes<T>(v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3)));
}

/** y += c x over `bytes` bytes; bytes is a multiple of 32. */
export function axpy<T>(y: usize, x: usize, c: T, bytes: usize): void {
  const v = v128.splat<T>(c);
  for (let o: usize = 0; o < bytes; o += 32) {
    v128.store(y + o, madd<T>(v, v128.load(x + o), v128.load(y + o)));
    v128.store(y + o, madd<T>(v, v128.load(x + o, 16), v128.load(y + o, 16)), 16);
  }
}
