import { MillraceError } from '../../schemas/errors.ts'

/** Changes that wait for their turn before more are refused. */
const CHANGES_WAITING_MAX = 1_000

export interface Turns {
  <T>(what: string, work: () => Promise<T>): Promise<T>
  idle(): Promise<unknown>
}

/** One change after the other, each seeing the effect of those before it. */
export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  const turn = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    if (waiting >= CHANGES_WAITING_MAX)
      throw new MillraceError('REGISTRY_UNAVAILABLE', `${what}: ${waiting} changes wait already; try again later`)
    waiting++
    const mine = last.then(work)
    last = mine.catch(() => undefined)
    try {
      return await mine
    } finally {
      waiting--
    }
  }
  return Object.assign(turn, { idle: () => last })
}
