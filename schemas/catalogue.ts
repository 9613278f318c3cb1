import { type Static, Type } from 'typebox'
import { Id } from './identifiers.ts'

export const CATEGORIES_MAX = 32
const Category = Type.String({ minLength: 1, maxLength: 128 })
const Categories = Type.Array(Category, { maxItems: CATEGORIES_MAX })
const Attributes = Type.Record(Type.String({ pattern: '^[\\x21-\\x7e]{1,64}$' }), Type.String({ maxLength: 1_024 }), {
  maxProperties: 64,
})

/** What an application sends for an item; its id is in the path or beside it. */
export const ItemInput = Type.Object(
  {
    title: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    categories: Type.Optional(Categories),
    attributes: Type.Optional(Attributes),
  },
  { additionalProperties: false },
)
export type ItemInput = Static<typeof ItemInput>

/** An item in the compacted topic `items` (key: item id). A withdrawn item stays as a record with `withdrawn: true`, so that no
 * compaction brings it back; a tombstone produced directly means the same. */
export const Item = Type.Object(
  {
    itemId: Id,
    title: Type.Union([Type.String({ maxLength: 512 }), Type.Null()]),
    categories: Categories,
    attributes: Attributes,
    withdrawn: Type.Boolean(),
  },
  { additionalProperties: false },
)
export type Item = Static<typeof Item>

/** What an application sends for a user: stated preferences. */
export const UserInput = Type.Object(
  { categories: Type.Optional(Categories), attributes: Type.Optional(Attributes) },
  { additionalProperties: false },
)
export type UserInput = Static<typeof UserInput>

/** A user in the compacted topic `users` (key: user id; a null value forgets the preferences). */
export const User = Type.Object(
  { userId: Id, categories: Categories, attributes: Attributes },
  { additionalProperties: false },
)
export type User = Static<typeof User>
