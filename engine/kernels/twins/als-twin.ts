/**
 * Slow, readable float64 versions of the kernels in engine/kernels/assembly/als.ts, on plain arrays: one array per row.
 * Tests run both on the same inputs.
 */
export interface TwinObservation {
  readonly row: number
  readonly quadratic: number
  readonly linear: number
}

/** Y'Y. */
export function gramTwin(rows: readonly (readonly number[])[], factors: number): number[][] {
  const gram = zeros(factors, factors)
  for (const row of rows)
    for (let i = 0; i < factors; i++) for (let j = 0; j < factors; j++) gram[i]![j]! += row[i]! * row[j]!
  return gram
}

/** The x of (W G + sum a y y' + reg I) x = sum b y: the fold-in of one row. */
export function solveTwin(
  other: readonly (readonly number[])[],
  weightedGram: readonly (readonly number[])[],
  observations: readonly TwinObservation[],
  regularization: number,
): number[] {
  const factors = weightedGram.length
  const matrix = weightedGram.map((row, i) => row.map((value, j) => value + (i === j ? regularization : 0)))
  const rightSide = new Array<number>(factors).fill(0)
  for (const { row, quadratic, linear } of observations) {
    const y = other[row]!
    for (let i = 0; i < factors; i++) {
      rightSide[i]! += linear * y[i]!
      for (let j = 0; j < factors; j++) matrix[i]![j]! += quadratic * y[i]! * y[j]!
    }
  }
  return eliminate(matrix, rightSide)
}

/** Every row of a side, exactly: one half-step. `observations[r]` are those of row r; regularization(n) of n observations. */
export function halfStepTwin(
  other: readonly (readonly number[])[],
  observations: readonly (readonly TwinObservation[])[],
  gramWeight: number,
  regularization: (observations: number) => number,
  factors: number,
): number[][] {
  const weighted = gramTwin(other, factors).map((row) => row.map((value) => value * gramWeight))
  return observations.map((row) => solveTwin(other, weighted, row, regularization(row.length)))
}

/** Gaussian elimination with partial pivoting; an all-zero column leaves its unknown at 0. */
function eliminate(matrix: number[][], rightSide: number[]): number[] {
  const n = rightSide.length
  for (let column = 0; column < n; column++) {
    let best = column
    for (let row = column; row < n; row++) {
      if (Math.abs(matrix[row]![column]!) > Math.abs(matrix[best]![column]!)) best = row
    }
    ;[matrix[column], matrix[best]] = [matrix[best]!, matrix[column]!]
    ;[rightSide[column], rightSide[best]] = [rightSide[best]!, rightSide[column]!]
    const pivot = matrix[column]![column]!
    if (pivot === 0) continue
    for (let row = column + 1; row < n; row++) {
      const times = matrix[row]![column]! / pivot
      for (let j = column; j < n; j++) matrix[row]![j]! -= times * matrix[column]![j]!
      rightSide[row]! -= times * rightSide[column]!
    }
  }
  for (let row = n - 1; row >= 0; row--) {
    let rest = rightSide[row]!
    for (let j = row + 1; j < n; j++) rest -= matrix[row]![j]! * rightSide[j]!
    rightSide[row] = matrix[row]![row] === 0 ? 0 : rest / matrix[row]![row]!
  }
  return rightSide
}

function zeros(rows: number, columns: number): number[][] {
  return Array.from({ length: rows }, () => new Array<number>(columns).fill(0))
}
