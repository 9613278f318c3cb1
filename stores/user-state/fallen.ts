import { MillraceError } from '../../schemas/errors.ts'

/** What to throw when `applied` is below `atLeast` somewhere; null when it is not. */
export function fallenBelow(
  atLeast: ReadonlyMap<string, number>,
  applied: ReadonlyMap<string, number>,
): MillraceError | null {
  for (const [partition, least] of atLeast) {
    const found = applied.get(partition) ?? 0
    if (found >= least) continue
    const what = `the applied offset of ${partition} fell from ${least} to ${found}`
    return new MillraceError('STATE_UNAVAILABLE', `${what}; user state is rebuilt at the next assignment`)
  }
  return null
}
