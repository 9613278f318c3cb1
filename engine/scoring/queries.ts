import { MillraceError } from '../../schemas/errors.ts'
import { FACTOR_MAX, K_MAX } from '../top-k/limits.ts'
import type { Observations, TopQuery } from './port.ts'

// All checks throw MillraceError INVALID_PARAMETERS, naming what is wrong with which number.

/** A query over `items` vectors of `width` numbers. */
export function checkQuery(query: TopQuery, width: number, items: number): void {
  const { vector, k, exclude, allow } = query
  if (vector.length !== width) throw refused('vector', `the vector has ${vector.length} numbers, the model ${width}`)
  checkFactors(vector, 'vector')
  if (!Number.isInteger(k) || k < 1 || k > K_MAX) throw refused('k', `k is ${k}; it must be 1 to ${K_MAX}`)
  if (allow !== undefined && allow.length !== items)
    throw refused('allow', `the mask has ${allow.length} bytes for ${items} items`)
  if (exclude === undefined) return
  for (let i = 0; i < exclude.length; i++) {
    if (exclude[i]! < 0 || exclude[i]! >= items) throw refused('exclude', `there is no item ${exclude[i]} of ${items}`)
  }
}

export function checkItem(item: number, items: number): void {
  if (!Number.isInteger(item) || item < 0 || item >= items)
    throw refused('item', `there is no item ${item} of ${items}`)
}

export function checkObservations({ items, strengths }: Observations, modelItems: number): void {
  if (items.length !== strengths.length)
    throw refused('strengths', `${items.length} observed items have ${strengths.length} strengths`)
  for (let j = 0; j < items.length; j++) {
    if (items[j]! < 0 || items[j]! >= modelItems)
      throw refused('items', `observation ${j} is of item ${items[j]}; the model has ${modelItems}`)
    if (!Number.isFinite(Math.fround(strengths[j]!)))
      throw refused('strengths', `observation ${j} has strength ${strengths[j]}`)
  }
}

/** Factors of every finite magnitude that cannot make a score overflow. */
export function checkFactors(factors: Float32Array, field: string): void {
  for (let i = 0; i < factors.length; i++) {
    if (!(Math.abs(factors[i]!) <= FACTOR_MAX))
      throw refused(field, `${field} has ${factors[i]} at ${i}; magnitudes up to ${FACTOR_MAX} are allowed`)
  }
}

/** Repeated ids, ids of the model (those with an index below `modelItems`) and factors that do not fit are refused. */
export function checkSupplement(
  supplement: { readonly itemIds: readonly string[]; readonly factors: Float32Array },
  width: number,
  modelItems: number,
  indexOf: (itemId: string) => number | undefined,
): void {
  const { itemIds, factors } = supplement
  if (factors.length !== itemIds.length * width)
    throw refused('factors', `${itemIds.length} supplement items of ${width} factors have ${factors.length} numbers`)
  if (new Set(itemIds).size !== itemIds.length) throw refused('itemIds', 'a supplement item is given twice')
  for (const itemId of itemIds) {
    if ((indexOf(itemId) ?? modelItems) < modelItems)
      throw refused('itemIds', `supplement item ${itemId} is in the model`)
  }
  checkFactors(factors, 'factors')
}

function refused(field: string, message: string): MillraceError {
  return new MillraceError('INVALID_PARAMETERS', message, { field })
}
