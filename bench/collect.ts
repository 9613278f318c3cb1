import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Collects what nobody holds any more, now: a training memory of several hundred megabytes is one small object to the
 * collector, which would let it stand beside the next phase's arrays.
 */
export function collect(): void {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  gc()
}
