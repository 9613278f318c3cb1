import { cpus, totalmem } from 'node:os'

/** One measured figure, printed as one JSON line with the machine and versions it was measured on. */
export interface Figure {
  readonly figure: string
  readonly value: number
  readonly unit: string
  /** The bar of the project, and whether the value must be at most or at least it; absent for figures without one. */
  readonly bar?: { readonly atMost: number } | { readonly atLeast: number }
  readonly details?: Readonly<Record<string, unknown>>
}

export function report(figure: Figure): void {
  const met =
    figure.bar === undefined
      ? undefined
      : 'atMost' in figure.bar
        ? figure.value <= figure.bar.atMost
        : figure.value >= figure.bar.atLeast
  console.log(JSON.stringify({ ...figure, ...(met === undefined ? {} : { met }), machine: machine() }))
}

export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN
}

export function rounded(value: number, digits = 3): number {
  return Number(value.toPrecision(digits))
}

function machine() {
  const [cpu] = cpus()
  return {
    cpu: cpu?.model.trim(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    os: `${process.platform} ${process.arch}`,
  }
}
