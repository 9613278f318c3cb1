import { readFileSync } from 'node:fs'

/** Exports of engine/kernels/top-k.wasm; shapes and meanings are documented in engine/kernels/assembly/top-k.ts. */
export interface TopKKernels {
  quantize(plan: number): void
  top(plan: number, k: number, masked: number): number
  offer(plan: number, count: number, size: number, k: number): number
  rank(plan: number, size: number): void
  scorePositions(plan: number, positions: number, count: number, scores: number): void
}

/** Items are filtered in blocks of this many. */
export const BLOCK_ITEMS = 64

export function instantiateTopKKernels(memory: WebAssembly.Memory): TopKKernels {
  const module = new WebAssembly.Module(readFileSync(new URL('./top-k.wasm', import.meta.url)))
  const abort = (): never => {
    throw new Error('invariant broken: a kernel aborted')
  }
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as TopKKernels
}
