import { MillraceError } from '../../schemas/errors.ts'
import type { TopQuery } from './port.ts'

/** Largest k of a query. */
export const K_MAX = 1_000
/** Largest magnitude of a factor, so that no score of 512 factors overflows. */
export const FACTOR_MAX = 1e17

/** @throws MillraceError INVALID_PARAMETERS naming what is wrong with a query over `items` vectors of `width` numbers. */
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

/** @throws MillraceError INVALID_PARAMETERS for repeated ids, ids of the model, or factors that do not fit. */
export function checkSupplement(
  itemIds: readonly string[],
  factors: Float32Array,
  width: number,
  isInModel: (itemId: string) => boolean,
): void {
  if (factors.length !== itemIds.length * width)
    throw refused('factors', `${itemIds.length} supplement items of ${width} factors have ${factors.length} numbers`)
  if (new Set(itemIds).size !== itemIds.length) throw refused('itemIds', 'a supplement item is given twice')
  for (const itemId of itemIds) {
    if (isInModel(itemId)) throw refused('itemIds', `supplement item ${itemId} is in the model`)
  }
  checkFactors(factors, 'factors')
}

/** @throws MillraceError INVALID_PARAMETERS for NaN, infinity and magnitudes whose dot products could overflow. */
export function checkFactors(factors: Float32Array, field: string): void {
  for (let i = 0; i < factors.length; i++) {
    if (!(Math.abs(factors[i]!) <= FACTOR_MAX))
      throw refused(field, `${field} has ${factors[i]} at ${i}; magnitudes up to ${FACTOR_MAX} are allowed`)
  }
}

function refused(field: string, message: string): MillraceError {
  return new MillraceError('INVALID_PARAMETERS', message, { field })
}
