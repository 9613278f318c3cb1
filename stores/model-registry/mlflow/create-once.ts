import { isMillraceError } from '../../../schemas/errors.ts'

const ATTEMPTS_MAX = 3

/**
 * Creates something where a repeated request would create a second one: when the answer to `create` is lost, `find` (by a
 * mark that only this call used) tells whether it was created all the same. A request that the server carries out only
 * after `find` has looked can still leave a second one behind, which its readers must tolerate.
 */
export async function createOnce<T>(create: () => Promise<T>, find: () => Promise<T | null>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await create()
    } catch (error) {
      if (!isMillraceError(error, 'REGISTRY_UNAVAILABLE') || attempts >= ATTEMPTS_MAX) throw error
      const found = await find()
      if (found !== null) return found
    }
  }
}
