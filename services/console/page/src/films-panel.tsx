import { useEffect, useState } from 'preact/hooks'
import { askEdge, failureWords } from './edge.ts'
import { ItemActions } from './item-actions.tsx'
import { Poster } from './poster.tsx'
import type { RecommendReply } from './recommendation.ts'
import { nameOf, type Shelf, type ShelfItem } from './shelf.ts'
import type { Visitor } from './use-visitor.ts'

const SHOWN_MAX = 60
const CATEGORIES_SHOWN_MAX = 14

interface Browsing {
  readonly items: readonly ShelfItem[] | null
  readonly categories: readonly string[]
  readonly trouble: string | null
}

/** What there is to click: the popular items, by category. `revision` changes when it is worth asking again. */
export function FilmsPanel(props: { readonly shelf: Shelf; readonly visitor: Visitor; readonly revision: string }) {
  const { shelf, visitor } = props
  const [category, setCategory] = useState<string | null>(null)
  const { items, categories, trouble } = useBrowsing(shelf, category, props.revision)
  const acts = new Set(visitor.past.map((act) => act.itemId))
  return (
    <section class="panel films" aria-labelledby="films-title">
      <header class="panel-head">
        <h2 id="films-title">On the shelf</h2>
        <p class="panel-note">{visitor.userId === null ? 'become a visitor to click' : 'click anything you like'}</p>
      </header>
      <fieldset class="chips">
        <legend class="unseen">Category</legend>
        {[null, ...categories].map((name) => (
          <button
            key={name ?? ''}
            type="button"
            class="chip"
            aria-pressed={name === category}
            onClick={() => setCategory(name)}
          >
            {name ?? 'Popular'}
          </button>
        ))}
      </fieldset>
      {items !== null && items.length === 0 ? (
        <EmptyShelf trouble={trouble} category={category} />
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling list must be reachable by keyboard
        <ul class="film-grid" aria-busy={items === null} tabIndex={0} aria-label="Items to click">
          {(items ?? Array.from({ length: 12 }, () => null)).map((item, index) =>
            item === null ? (
              <li key={`wait-${index}`} class="film is-waiting" aria-hidden="true" />
            ) : (
              <FilmCard key={item.itemId} item={item} isSeen={acts.has(item.itemId)} visitor={visitor} />
            ),
          )}
        </ul>
      )}
    </section>
  )
}

function FilmCard(props: { readonly item: ShelfItem; readonly isSeen: boolean; readonly visitor: Visitor }) {
  const { item, visitor } = props
  const name = nameOf(item, item.itemId)
  const isDisabled = visitor.userId === null
  return (
    <li class={`film${props.isSeen ? ' is-seen' : ''}`}>
      <button
        type="button"
        class="film-open"
        disabled={isDisabled}
        onClick={() => visitor.act(item, 'click')}
        aria-label={`Open ${name}`}
        title={name}
      >
        <Poster item={item} />
        <span class="film-words">
          <span class={`film-title${item.title === null ? ' is-id' : ''}`}>{name}</span>
          <span class="film-meta">{[item.categories[0], item.year].filter(Boolean).join(' · ') || ' '}</span>
        </span>
      </button>
      <ItemActions item={item} types={['like', 'purchase']} isDisabled={isDisabled} onAct={visitor.act} />
    </li>
  )
}

function EmptyShelf({ trouble, category }: { readonly trouble: string | null; readonly category: string | null }) {
  if (trouble !== null) return <p class="empty">{trouble}. The page tries again by itself.</p>
  if (category !== null) return <p class="empty">Nobody has touched anything in {category} lately.</p>
  return (
    <div class="empty">
      <p>The shelf is empty: no events have arrived yet.</p>
      <p>
        Start with the film demo (<code>npm start</code>), or bring your own:
        <br />
        <code>npx millrace import events FILE</code>
      </p>
    </div>
  )
}

function useBrowsing(shelf: Shelf, category: string | null, revision: string): Browsing {
  const [browsing, setBrowsing] = useState<Browsing>({ items: null, categories: [], trouble: null })
  useEffect(() => {
    const controller = new AbortController()
    const query = new URLSearchParams({ include: 'metadata', limit: String(SHOWN_MAX) })
    if (category !== null) query.set('category', category)
    askEdge<RecommendReply>(`recommendations/popular?${query}`, { signal: controller.signal })
      .then((reply) => {
        const items = reply.items.map((item) => shelf.remember(item))
        setBrowsing((before) => ({ items, categories: allCategories(before.categories, items), trouble: null }))
      })
      .catch((error: unknown) => {
        if (controller.signal.aborted) return
        setBrowsing((before) => ({ ...before, items: before.items ?? [], trouble: failureWords(error) }))
      })
    return () => controller.abort()
  }, [shelf, category, revision])
  return browsing
}

/** Keeps the categories where they are and adds new ones behind, most frequent first. */
function allCategories(before: readonly string[], items: readonly ShelfItem[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const name of items.flatMap((item) => item.categories)) counts.set(name, (counts.get(name) ?? 0) + 1)
  const fresh = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name)
  return [...new Set([...before, ...fresh])].slice(0, CATEGORIES_SHOWN_MAX)
}
