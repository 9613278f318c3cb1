/** Cells of the control block in shared memory. */
const ARRIVED = 0
const GENERATION = 1
const NEXT = 2
export const CONTROL_CELLS = 3

/** Waits until all `threads` have come here. Blocks the calling worker thread; never called on the main thread. */
export function meet(control: Int32Array, threads: number): void {
  const generation = Atomics.load(control, GENERATION)
  if (Atomics.add(control, ARRIVED, 1) === threads - 1) {
    Atomics.store(control, ARRIVED, 0)
    Atomics.store(control, NEXT, 0)
    Atomics.add(control, GENERATION, 1)
    Atomics.notify(control, GENERATION)
    return
  }
  while (Atomics.load(control, GENERATION) === generation) Atomics.wait(control, GENERATION, generation)
}

/** Takes chunks [from, to) of `rows` from the one queue until it is empty; the queue starts anew at each `meet`. */
export function takeChunks(
  control: Int32Array,
  rows: number,
  chunkRows: number,
  work: (from: number, to: number) => void,
): void {
  while (true) {
    const from = Atomics.add(control, NEXT, 1) * chunkRows
    if (from >= rows) return
    work(from, Math.min(rows, from + chunkRows))
  }
}
