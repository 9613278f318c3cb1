/** How commands speak: plain text on standard output, everything else on standard error. */
export interface Terminal {
  print(text: string): void
  note(text: string): void
  readonly errors: NodeJS.WriteStream
  now(): number
}

/** Columns padded to their widest cell; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = [header, ...rows].map((row) => row.map((cell) => (cell === null ? '-' : String(cell))))
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const isNumber = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number' || row[column] === null),
  )
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function grouped(count: number): string {
  return count.toLocaleString('en-GB')
}

/** Four decimals, as a number, so that tables align it. */
export function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000
}
