import type { Item, User } from '../../schemas/catalogue.ts'
import type { Catalogue } from './catalogue-port.ts'

const NO_MEMBERS: ReadonlySet<string> = new Set()

/** The catalogue's memory: what has been read so far, indexed for serving. */
export class CatalogueIndex implements Catalogue {
  private readonly described = new Map<string, Item>()
  private readonly gone = new Set<string>()
  private readonly users = new Map<string, { readonly user: User; readonly revision: string }>()
  private readonly byCategory = new Map<string, Set<string>>()
  private readonly nextOffsets = new Map<number, number>()
  private sortedCategories: readonly string[] | null = null
  revision = ''

  get itemCount(): number {
    return this.described.size
  }

  item(itemId: string): Item | null {
    return this.described.get(itemId) ?? null
  }

  isWithdrawn(itemId: string): boolean {
    return this.gone.has(itemId)
  }

  withdrawn(): Iterable<string> {
    return this.gone
  }

  user(userId: string): User | null {
    return this.users.get(userId)?.user ?? null
  }

  userRevision(userId: string): string {
    return this.users.get(userId)?.revision ?? ''
  }

  items(): Iterable<Item> {
    return this.described.values()
  }

  members(category: string): ReadonlySet<string> {
    return this.byCategory.get(category) ?? NO_MEMBERS
  }

  categories(): readonly string[] {
    this.sortedCategories ??= [...this.byCategory.keys()].sort()
    return this.sortedCategories
  }

  /** null means a tombstone: withdrawn. */
  putItem(itemId: string, item: Item | null): void {
    for (const category of this.described.get(itemId)?.categories ?? []) this.leave(category, itemId)
    if (item === null || item.withdrawn) {
      this.described.delete(itemId)
      this.gone.add(itemId)
      return
    }
    this.gone.delete(itemId)
    this.described.set(itemId, item)
    for (const category of item.categories) this.join(category, itemId)
  }

  /** null forgets the user's preferences; `revision` names the record they came in. */
  putUser(userId: string, user: User | null, revision: string): void {
    if (user === null) this.users.delete(userId)
    else this.users.set(userId, { user, revision })
  }

  /** The newest record of a partition survives every compaction, so these positions name the content. */
  setItemsRead(partition: number, nextOffset: number): void {
    this.nextOffsets.set(partition, nextOffset)
    const sorted = [...this.nextOffsets].sort(([left], [right]) => left - right)
    this.revision = sorted.map((entry) => entry.join(':')).join(',')
  }

  private join(category: string, itemId: string): void {
    let members = this.byCategory.get(category)
    if (!members) {
      members = new Set()
      this.byCategory.set(category, members)
      this.sortedCategories = null
    }
    members.add(itemId)
  }

  private leave(category: string, itemId: string): void {
    const members = this.byCategory.get(category)
    members?.delete(itemId)
    if (members?.size === 0) {
      this.byCategory.delete(category)
      this.sortedCategories = null
    }
  }
}
