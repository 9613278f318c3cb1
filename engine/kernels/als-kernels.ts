import { readFileSync } from 'node:fs'

/** Where a row's observations and parameters are, in the order that the kernels take them: byte offsets into the memory. */
export interface SideOffsets {
  /** The side that is solved for: rows x width, float32. */
  readonly factors: number
  /** The other side. */
  readonly otherFactors: number
  readonly pointers: number
  readonly indices: number
  readonly strengths: number
  /** One float64 a row. */
  readonly regularizations: number
}

type RowArguments = [
  factors: number,
  otherFactors: number,
  gram: number,
  pointers: number,
  indices: number,
  strengths: number,
  regularizations: number,
  from: number,
  to: number,
  width: number,
  alpha: number,
  quadraticOffset: number,
  linearOffset: number,
]

/** Exports of engine/kernels/als.wasm; shapes and meanings are documented in engine/kernels/assembly/als.ts. */
export interface AlsKernels {
  addGram(gram: number, rows: number, from: number, to: number, width: number, scratch: number): void
  addSquares(sums: number, rows: number, pointers: number, from: number, to: number, width: number): void
  observe(
    matrix: number,
    rightSide: number,
    rows: number,
    indices: number,
    strengths: number,
    from: number,
    to: number,
    width: number,
    alpha: number,
    quadraticOffset: number,
    linearOffset: number,
    scratch: number,
  ): void
  solve(matrix: number, rightSide: number, inverse: number, width: number, regularization: number): void
  solveRows(...options: [...row: RowArguments, scratch: number]): void
  improveRows(
    ...options: [
      ...row: RowArguments,
      spread: number,
      steps: number,
      tolerance: number,
      longest: number,
      far: number,
      scratch: number,
    ]
  ): void
  improveTogether(
    ...options: [
      ...row: RowArguments,
      spread: number,
      steps: number,
      otherRows: number,
      tileRows: number,
      shared: number,
      scratch: number,
    ]
  ): void
  rowsTogether(width: number, scratchBytes: number): number
  diagonalize(gram: number, rotation: number, curvature: number, width: number, scratch: number): void
  pack(to: number, from: number, bytes: number): void
  rotateRows(rows: number, rotation: number, from: number, to: number, width: number, scratch: number): void
  lossOfRows(...options: RowArguments): number
}

/** Vectors are padded with zeros to a multiple of this many numbers. */
export const WIDTH_STEP = 16

export function paddedWidth(factors: number): number {
  return Math.ceil(factors / WIDTH_STEP) * WIDTH_STEP
}

/** The compiled module, which may be posted to worker threads. */
export function compileAlsKernels(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('./als.wasm', import.meta.url)))
}

export function instantiateAlsKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): AlsKernels {
  const abort = (): never => {
    throw new Error('invariant broken: a kernel aborted')
  }
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as AlsKernels
}
