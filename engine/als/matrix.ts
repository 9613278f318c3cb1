import { MillraceError } from '../../schemas/errors.ts'
import type { InteractionMatrix } from './port.ts'

/** What can be told of a matrix without reading its entries. Throws INVALID_MATRIX. */
export function checkShape(matrix: InteractionMatrix): void {
  const { users, items, rowPointers, itemIndices, strengths } = matrix
  const count = itemIndices.length
  for (const [name, value] of [
    ['users', users],
    ['items', items],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff)
      refuse(name, `${name} must be a count of 31 bits, not ${value}`)
  }
  if (users === 0 || items === 0 || count === 0) {
    refuse('matrix', `the matrix is empty: ${users} users, ${items} items, ${count} interactions`)
  }
  if (rowPointers.length !== users + 1) {
    refuse('rowPointers', `rowPointers has ${rowPointers.length} entries, must have users + 1 = ${users + 1}`)
  }
  if (strengths.length !== count) refuse('strengths', `${strengths.length} strengths for ${count} item indexes`)
  if (rowPointers[0] !== 0 || rowPointers[users] !== count) {
    refuse(
      'rowPointers',
      `rowPointers must run from 0 to ${count}, not from ${rowPointers[0]} to ${rowPointers[users]}`,
    )
  }
}

/** Checks the entries of users [from, to): pointers, then indexes and strengths. Throws INVALID_MATRIX. */
export function checkRows(matrix: InteractionMatrix, from: number, to: number): void {
  const { items, rowPointers, itemIndices, strengths } = matrix
  for (let user = from; user < to; user++) {
    const start = rowPointers[user]!
    const end = rowPointers[user + 1]!
    if (start > end || start < 0 || end > itemIndices.length) {
      refuse(
        'rowPointers',
        `rowPointers of user ${user} run from ${start} to ${end}, of ${itemIndices.length} interactions`,
      )
    }
    let previous = -1
    for (let at = start; at < end; at++) {
      const item = itemIndices[at]!
      if (item < 0 || item >= items) refuse('itemIndices', `user ${user} has item ${item}, of ${items} items`)
      if (item <= previous) {
        refuse('itemIndices', `user ${user} has item ${item} after item ${previous}; items must ascend without repeats`)
      }
      const strength = strengths[at]!
      if (!Number.isFinite(strength) || strength === 0) {
        refuse(
          'strengths',
          `the strength of user ${user} and item ${item} is ${strength}; it must be finite and not zero`,
        )
      }
      previous = item
    }
  }
}

/** Columns by rows, into arrays of the same kind: users ascend within an item. Takes one pass to count, one to place. */
export function transpose(
  matrix: InteractionMatrix,
  into: Pick<InteractionMatrix, 'rowPointers' | 'itemIndices' | 'strengths'>,
): void {
  const { users, items, rowPointers, itemIndices, strengths } = matrix
  const pointers = into.rowPointers
  pointers.fill(0)
  for (let at = 0; at < itemIndices.length; at++) pointers[itemIndices[at]! + 1]!++
  for (let item = 0; item < items; item++) pointers[item + 1]! += pointers[item]!
  const next = pointers.slice(0, items)
  for (let user = 0; user < users; user++) {
    for (let at = rowPointers[user]!; at < rowPointers[user + 1]!; at++) {
      const place = next[itemIndices[at]!]!++
      into.itemIndices[place] = user
      into.strengths[place] = strengths[at]!
    }
  }
}

function refuse(field: string, message: string): never {
  throw new MillraceError('INVALID_MATRIX', `${message}; nothing was trained`, { field })
}
