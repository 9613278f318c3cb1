import { askEdge } from './edge.ts'

/** An item as the page shows it: a film, or whatever a shop sells. Title and categories may be unknown. */
export interface ShelfItem {
  readonly itemId: string
  readonly title: string | null
  readonly categories: readonly string[]
  readonly year: string | null
}

interface ItemFields {
  readonly itemId: string
  readonly title?: string | null
  readonly categories?: readonly string[]
  readonly attributes?: Readonly<Record<string, string>>
}

/** Remembers every item the page has met, so that reasons and histories can name it. */
export interface Shelf {
  remember(item: ItemFields): ShelfItem
  known(itemId: string): ShelfItem | null
  /** Asks the edge for items never met; one that is not described is kept by its id alone. */
  learn(itemIds: readonly string[], signal?: AbortSignal): Promise<void>
}

const REMEMBERED_MAX = 5_000

export function createShelf(): Shelf {
  const items = new Map<string, ShelfItem>()
  function remember(fields: ItemFields): ShelfItem {
    const before = items.get(fields.itemId)
    const item: ShelfItem = {
      itemId: fields.itemId,
      title: fields.title ?? before?.title ?? null,
      categories: fields.categories ?? before?.categories ?? [],
      year: fields.attributes?.year ?? before?.year ?? yearIn(fields.itemId),
    }
    const oldest = items.size >= REMEMBERED_MAX ? items.keys().next().value : undefined
    if (oldest !== undefined) items.delete(oldest)
    items.set(item.itemId, item)
    return item
  }
  return {
    remember,
    known: (itemId) => items.get(itemId) ?? null,
    async learn(itemIds, signal) {
      const unknown = [...new Set(itemIds)].filter((itemId) => items.get(itemId)?.title === undefined)
      await Promise.all(
        unknown.map(async (itemId) => {
          try {
            remember({ ...(await askEdge<ItemFields>(`items/${encodeURIComponent(itemId)}`, { signal })), itemId })
          } catch (error) {
            if (signal?.aborted) throw error
            remember({ itemId })
          }
        }),
      )
    },
  }
}

export function nameOf(item: ShelfItem | null, itemId: string): string {
  return item?.title ?? itemId
}

/** The demo's ids end in the year of the film. */
function yearIn(itemId: string): string | null {
  return /-((?:19|20)\d{2})$/.exec(itemId)?.[1] ?? null
}
