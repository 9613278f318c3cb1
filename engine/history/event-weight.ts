import type { EventWeights } from '../../schemas/settings.ts'

/** Bound of one event's weight, so that sums stay finite whatever values applications send. */
export const EVENT_WEIGHT_MAX = 1e12

/**
 * What one event adds to its item's strength at its own time: the weight of its type, times its value where the type is
 * value-scaled (an absent value counts as 1). Finite, within +-EVENT_WEIGHT_MAX. A type that is no longer configured
 * weighs 0: the event still counts and its item is still known as seen.
 */
export function eventWeight(type: string, value: number | null, rules: EventWeights): number {
  const weight = Object.hasOwn(rules.weights, type) ? (rules.weights[type] ?? 0) : 0
  if (value === null || !rules.valueScaledTypes.has(type)) return weight
  const scaled = weight * value
  return Number.isNaN(scaled) ? 0 : Math.max(-EVENT_WEIGHT_MAX, Math.min(EVENT_WEIGHT_MAX, scaled))
}
