// Rows with many observations improved by conjugate gradients together. The vectors that such a row observes do not stay
// in a processor's own cache from one pass to the next, so every pass would read them from far away again. Here a pass goes
// over the other side once, a tile at a time, and serves all rows of the group from it. Shapes and names as in als.ts.
import { advance, aim, begin, curve, numbersOf, OWN, RIGHT, stateBytes, STEP } from './_descent';
import { blockRows, gatherWeighted, TABLE_BYTES, tabulate, warm, weigh, WEIGHT } from './_passes';

/** Of a row's own numbers: where its next tile begins, its sum of a or p . A p, whether it still goes on. */
const SUM: usize = OWN + 4;
const ACTIVE: usize = OWN + 8;

/** Rows that improveTogether can take with so many bytes of scratch. */
export function rowsTogether(k: usize, bytes: usize): i32 {
  return <i32>((bytes - TABLE_BYTES) / stateBytes(k * 4));
}

/**
 * The rows rows[0 .. count) (u32) of X, `steps` steps each, as improveRows with tolerance 0 takes them (none is empty); a row's result does
 * not depend on the others of its group. Y: packed, otherRows long, tileRows of them a tile.
 * shared: most vectors of a tile are used, so it is read ahead as a whole. scratch: TABLE_BYTES, then a state for each row.
 */
export function improveTogether(X: usize, Y: usize, curvature: usize, pointers: usize, indices: usize, strengths: usize,
  regs: usize, rows: usize, count: i32, k: usize, alpha: f32, quadraticOffset: f32, linearOffset: f32, spread: usize,
  steps: i32, otherRows: i32, tileRows: i32, shared: bool, scratch: usize): void {
  const bytes = k * 4, stride = stateBytes(bytes), states = scratch + TABLE_BYTES;
  for (let n = 0; n < count; n++) {
    const row = <usize>load<u32>(rows + (<usize>n << 2)), state = states + <usize>n * stride;
    begin(state, X + row * bytes, curvature, <f32>load<f64>(regs + (row << 3)), bytes);
    store<f32>(numbersOf(state, bytes), 0, SUM);
    store<i32>(numbersOf(state, bytes), 1, ACTIVE);
  }
  for (let step = -1; step < steps; step++) {
    sweep(X, Y, pointers, indices, strengths, rows, count, bytes, alpha, quadraticOffset, linearOffset, step < 0,
      step + 1 == steps, otherRows, tileRows, shared, scratch);
    for (let n = 0; n < count; n++) {
      const state = states + <usize>n * stride, numbers = numbersOf(state, bytes);
      if (load<i32>(numbers, ACTIVE) == 0) continue;
      const x = X + <usize>load<u32>(rows + (<usize>n << 2)) * bytes, sum = load<f32>(numbers, SUM);
      const goesOn = step < 0 ? !aim(state, x, spread, sum, 0, bytes) : advance(state, x, sum, step + 1 == steps, bytes);
      store<i32>(numbers, goesOn ? 1 : 0, ACTIVE);
      if (goesOn) store<f32>(numbers, curve(state, bytes), SUM);
    }
  }
}

/** One pass of all rows: into r from x (`first`), else into q from p; in the last pass only p . A p is summed. */
function sweep(X: usize, Y: usize, pointers: usize, indices: usize, strengths: usize, rows: usize, count: i32, bytes: usize,
  alpha: f32, quadraticOffset: f32, linearOffset: f32, first: bool, last: bool, otherRows: i32, tileRows: i32,
  shared: bool, table: usize): void {
  const vector = bytes >> 1, block = blockRows(vector), stride = stateBytes(bytes), states = table + TABLE_BYTES;
  for (let tile = 0; tile < otherRows; tile += tileRows) {
    const below = min(otherRows, tile + tileRows);
    if (shared) warm(Y + <usize>tile * vector, Y + <usize>below * vector, table);
    for (let n = 0; n < count; n++) {
      const state = states + <usize>n * stride, numbers = numbersOf(state, bytes);
      if (load<i32>(numbers, ACTIVE) == 0) continue;
      const row = <usize>load<u32>(rows + (<usize>n << 2)), end = load<i32>(pointers + (row << 2), 4);
      const from = first ? X + row * bytes : state + STEP * bytes, into = first ? state : state + RIGHT * bytes;
      let at = tile == 0 ? load<i32>(pointers + (row << 2)) : load<i32>(numbers, OWN), sum = load<f32>(numbers, SUM);
      while (at < end) {
        const taken = tabulate(table, Y, indices, strengths, at, min(block, end - at), below, vector, alpha, quadraticOffset,
          linearOffset);
        if (taken == 0) break;
        const energy = weigh<u16>(table, from, taken, bytes, first, !shared);
        sum += first ? load<f32>(table + WEIGHT) : energy;
        if (!last) gatherWeighted<u16>(into, table, taken, bytes);
        at += taken;
      }
      store<i32>(numbers, at, OWN);
      store<f32>(numbers, sum, SUM);
    }
  }
}
