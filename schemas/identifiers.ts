import { Type } from 'typebox'

/** Ids of users, items, events and requests: 1 to 128 printable ASCII characters, no space. */
export const ID_PATTERN = '^[\\x21-\\x7e]{1,128}$'
const idExpression = new RegExp(ID_PATTERN)

export const Id = Type.String({
  pattern: ID_PATTERN,
  description: '1 to 128 printable ASCII characters without spaces',
})

export function isId(value: unknown): value is string {
  return typeof value === 'string' && idExpression.test(value)
}
