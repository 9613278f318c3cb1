import { type HistoryRules, mergeEvents } from '../../engine/history/history.ts'
import type { StoredEvent } from '../../schemas/interaction.ts'
import { EMPTY_USER, type UserRecord } from '../../schemas/user-record.ts'

const DAY_MS = 86_400_000
const WEIGHTS = { view: 1, click: 2, cart: 4, purchase: 8, like: 5, dislike: -5 }
const TYPES = Object.keys(WEIGHTS)
const RULES: HistoryRules = {
  ...{ eventWeights: { weights: WEIGHTS, valueScaledTypes: new Set() }, halfLifeMs: 90 * DAY_MS },
  ...{ historyMax: 2_000, eventIdsMax: 64 },
}
const NOW = Date.UTC(2026, 0, 1)
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

export const REFERENCE = { items: 30, idCharacters: 8, events: 45, factors: 64 } as const

/**
 * The user that memory is reckoned with: 30 items with random ids of 8 letters and digits, 45 events of every type over
 * 90 days (the ratio of Online Retail), factors of a model with 64; merged by the engine with the default rules.
 */
export function referenceUser(random: () => number): UserRecord {
  const below = (limit: number) => Math.floor(random() * limit)
  const items = Array.from({ length: REFERENCE.items }, () =>
    Array.from({ length: REFERENCE.idCharacters }, () => LETTERS[below(LETTERS.length)]).join(''),
  )
  const partition = below(8)
  const offset = below(10_000_000)
  const events = Array.from({ length: REFERENCE.events }, (_, index): StoredEvent => {
    const itemId = items[index < items.length ? index : below(items.length)] as string
    const place = { topic: 'interactions', partition, offset: offset + index, appendedAt: NOW }
    const eventId = `${below(2 ** 32)}-${below(2 ** 32)}`
    const timestamp = NOW - below(90 * DAY_MS)
    return {
      ...{ operation: 'assert', eventId, userId: 'u', itemId, type: TYPES[below(TYPES.length)] as string, timestamp },
      ...{ value: null, requestId: null, context: null, ...place },
    }
  })
  const merged = mergeEvents(EMPTY_USER, events, RULES)
  const vector = Float32Array.from({ length: REFERENCE.factors }, () => random() - 0.5)
  return { ...merged, lastFreshnessMs: below(50), factors: { modelVersion: '12', vector } }
}

/** Uniform in [0, 1), repeatable (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
