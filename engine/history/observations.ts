import type { UserRecord } from '../../schemas/user-record.ts'
import type { Observations, Scorer } from '../scoring/port.ts'
import { decay } from './item-strengths.ts'

/**
 * A user's history in a model's terms, for the fold-in: the items it was trained on whose strength is not zero. Items of
 * the supplement are left out, since their vectors were not part of the fit.
 * Updater and edge both use it, so that a vector solved on write equals one solved on read.
 */
export function observationsOf(
  record: UserRecord,
  halfLifeMs: number,
  scorer: Pick<Scorer, 'indexOf' | 'model'>,
): Observations {
  const trained = scorer.model.itemIds.length
  const items = new Int32Array(record.history.length)
  const strengths = new Float64Array(record.history.length)
  let length = 0
  for (const entry of record.history) {
    const item = scorer.indexOf(entry.itemId)
    if (item === undefined || item >= trained) continue
    const strength = entry.strength * decay(record.lastEventAt - entry.newestAt, halfLifeMs)
    if (strength === 0) continue
    items[length] = item
    strengths[length] = strength
    length++
  }
  return { items: items.subarray(0, length), strengths: strengths.subarray(0, length) }
}
