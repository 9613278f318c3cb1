import type { Item, User } from '../../schemas/catalogue.ts'

/** The catalogue in memory, as one process has read it from topics `items` and `users`. */
export interface Catalogue {
  /** Changes with every change of an item; equal on every process that has read the same records. */
  readonly revision: string
  readonly itemCount: number
  /** null for an item that was never described and for a withdrawn one; `isWithdrawn` tells them apart. */
  item(itemId: string): Item | null
  isWithdrawn(itemId: string): boolean
  withdrawn(): Iterable<string>
  user(userId: string): User | null
  /** Changes with every change of the user's preferences; empty without any. Equal on every process like `revision`. */
  userRevision(userId: string): string
  items(): Iterable<Item>
  /** Item ids of a category, withdrawn ones left out. */
  members(category: string): ReadonlySet<string>
  /** Names of categories with at least one member, ascending. */
  categories(): readonly string[]
}
