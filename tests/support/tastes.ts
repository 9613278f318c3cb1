import { createRandom } from '../../engine/evaluation/random.ts'
import type { PlainEvent } from './columns.ts'

/**
 * Events with planted tastes: user n prefers the items of group n % groups. Nine in ten events are in the own group; items
 * are named `gG-iN`. Seeded; one event a minute.
 */
export function plantedEvents(options: {
  readonly users: number
  readonly groups: number
  readonly itemsPerGroup: number
  readonly events: number
  readonly seed: number
  readonly from?: number
}): PlainEvent[] {
  const random = createRandom(options.seed)
  return Array.from({ length: options.events }, (_, index) => {
    const user = Math.floor(random() * options.users)
    const group = random() < 0.9 ? user % options.groups : Math.floor(random() * options.groups)
    const item = Math.floor(random() * options.itemsPerGroup)
    return { user: `u${user}`, item: `g${group}-i${item}`, type: 'view', at: (options.from ?? 0) + index * 60_000 }
  })
}
