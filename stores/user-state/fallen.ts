import { MillraceError } from '../../schemas/errors.ts'

/** What to throw for the first partition that has applied less than `atLeast`; null when there is none. */
export function fallenBelow(
  atLeast: ReadonlyMap<string, number>,
  applied: ReadonlyMap<string, number>,
): MillraceError | null {
  for (const [partition, least] of atLeast) {
    const found = applied.get(partition) ?? 0
    if (found < least) return fallen(partition, least, found)
  }
  return null
}

export function fallen(partition: string, least: number, found: number): MillraceError {
  const what = `the applied offset of ${partition} fell from ${least} to ${found}`
  return new MillraceError('STATE_UNAVAILABLE', `${what}; user state is rebuilt at the next assignment`)
}
