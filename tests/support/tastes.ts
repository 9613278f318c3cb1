import { createRandom } from '../../engine/evaluation/random.ts'
import type { PlainEvent } from './columns.ts'

const TYPES = ['view', 'view', 'click', 'like', 'purchase'] as const

/**
 * Events with planted tastes: user n prefers the items of group n % groups, nine events in ten are there; how an event
 * ends (viewed, liked, bought) is chance. Items are named `gG-iN`. Seeded; one event a minute.
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
    const type = TYPES[Math.floor(random() * TYPES.length)] ?? 'view'
    return { user: `u${user}`, item: `g${group}-i${item}`, type, at: (options.from ?? 0) + index * 60_000 }
  })
}
