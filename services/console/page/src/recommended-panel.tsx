import { milliseconds } from './figures.ts'
import { ItemActions } from './item-actions.tsx'
import { useListMotion } from './list-motion.ts'
import { Poster } from './poster.tsx'
import { type RecommendedItem, reasonWords, skipWords } from './recommendation.ts'
import { nameOf, type Shelf } from './shelf.ts'
import { LIST_LENGTH, type ShownList, type Visitor } from './use-visitor.ts'

/** The list for this visitor, with the reason, source and age of everything on it. */
export function RecommendedPanel({ shelf, visitor }: { readonly shelf: Shelf; readonly visitor: Visitor }) {
  const { list } = visitor
  const motion = useListMotion(list?.reply)
  const acts = new Map(visitor.past.map((act) => [act.itemId, act.type]))
  return (
    <section class="panel recommended" aria-labelledby="recommended-title">
      <header class="panel-head">
        <h2 id="recommended-title">Recommended {visitor.userId === null ? 'for anyone' : 'for you'}</h2>
        <p class="panel-note">{list === null ? '' : sourcesWords(list)}</p>
      </header>
      <Freshness list={list} />
      {visitor.trouble !== null && (
        <p class="trouble" role="alert">
          {visitor.trouble}
          <button type="button" class="quiet" onClick={visitor.refresh}>
            Try again
          </button>
        </p>
      )}
      {list !== null && list.reply.items.length === 0 ? (
        <p class="empty">Nothing to recommend yet. A first event, yours or anybody's, changes that.</p>
      ) : (
        <ol class="picks" ref={motion} aria-busy={visitor.isBusy}>
          {list === null
            ? Array.from({ length: LIST_LENGTH }, (_, index) => (
                <li key={`wait-${index}`} class="pick is-waiting" aria-hidden="true" />
              ))
            : list.reply.items.map((item) => (
                <Pick key={item.itemId} item={item} list={list} shelf={shelf} acts={acts} visitor={visitor} />
              ))}
        </ol>
      )}
    </section>
  )
}

function Freshness({ list }: { readonly list: ShownList | null }) {
  const reply = list?.reply
  const elapsed = list?.clickMs ?? list?.readMs ?? null
  return (
    <div class="freshness" aria-live="polite">
      <p class="freshness-figure">
        <strong data-testid="freshness">{milliseconds(elapsed)}</strong>
        <span>{list?.clickMs === null || list === null ? 'to read this list' : 'from your click to this list'}</span>
      </p>
      <dl class="facts">
        <div>
          <dt>acknowledged</dt>
          <dd>{milliseconds(list?.acknowledgedMs)}</dd>
        </div>
        <div>
          <dt title="from the append in the log to its effect on your state">folded in</dt>
          <dd>{milliseconds(reply?.state?.lagMs)}</dd>
        </div>
        <div>
          <dt>model</dt>
          <dd>{reply?.modelVersion ?? 'none'}</dd>
        </div>
        <div>
          <dt>cache</dt>
          <dd class={reply?.cache === 'hit' ? 'is-good' : ''}>{reply?.cache ?? '–'}</dd>
        </div>
        <div>
          <dt>answer</dt>
          <dd class={reply?.degraded ? 'is-bad' : ''}>
            {reply === undefined ? '–' : reply.degraded ? 'degraded' : 'full'}
          </dd>
        </div>
      </dl>
    </div>
  )
}

function Pick(props: {
  readonly item: RecommendedItem
  readonly list: ShownList
  readonly shelf: Shelf
  readonly acts: ReadonlyMap<string, string>
  readonly visitor: Visitor
}) {
  const { item, list, shelf, visitor } = props
  const known = shelf.known(item.itemId) ?? shelf.remember(item)
  const { words, names } = reasonWords(item, shelf, props.acts)
  const isDisabled = visitor.userId === null
  return (
    <li class="pick" data-row={item.itemId}>
      <span class="pick-rank" aria-hidden="true">
        {item.rank}
        <Move item={item} list={list} />
      </span>
      <button
        type="button"
        class="film-open"
        disabled={isDisabled}
        onClick={() => visitor.act(known, 'click')}
        title={nameOf(known, item.itemId)}
      >
        <Poster item={known} />
        <span class="film-words">
          <span class={`film-title${known.title === null ? ' is-id' : ''}`}>
            {nameOf(known, item.itemId)}
            {known.year !== null && <small> {known.year}</small>}
          </span>
          <span class="pick-reason">
            {words} {names.length > 0 && <em>{names.join(' and ')}</em>}
          </span>
        </span>
      </button>
      <span class={`source source-${item.source}`}>{item.source}</span>
      <ItemActions item={known} types={['like', 'dislike']} isDisabled={isDisabled} onAct={visitor.act} />
    </li>
  )
}

function Move({ item, list }: { readonly item: RecommendedItem; readonly list: ShownList }) {
  if (list.isFirst) return <small> </small>
  const before = list.ranksBefore.get(item.itemId)
  if (before === undefined) return <small class="is-new">new</small>
  if (before === item.rank) return <small> </small>
  return before > item.rank ? (
    <small class="is-up">▲{before - item.rank}</small>
  ) : (
    <small class="is-down">▼{item.rank - before}</small>
  )
}

function sourcesWords({ reply }: ShownList): string {
  const skipped = Object.entries(reply.skipped ?? {})
  const [source, reason] = skipped[0] ?? []
  if (source === undefined || reason === undefined)
    return reply.after === 'timeout' ? 'your last click is still on its way' : ''
  return `not ${source}: ${skipWords(reason)}`
}
