import { useState } from 'preact/hooks'
import { Poster } from './poster.tsx'
import { nameOf, type Shelf } from './shelf.ts'
import type { Visitor } from './use-visitor.ts'
import { freshVisitorId, isVisitorId } from './visitor-names.ts'

const VERBS: Readonly<Record<string, string>> = {
  view: 'viewed',
  click: 'opened',
  like: 'liked',
  purchase: 'bought',
  dislike: 'not for me',
}
const SIMULATED_OFFERED = 12

/** Who one is, and what one did. */
export function VisitorBar({ shelf, visitor }: { readonly shelf: Shelf; readonly visitor: Visitor }) {
  return (
    <section class={`panel visitor${visitor.userId === null ? ' is-open' : ''}`} aria-label="Visitor">
      {visitor.userId === null ? (
        <Invitation visitor={visitor} />
      ) : (
        <Identity visitor={visitor} userId={visitor.userId} />
      )}
      <Past shelf={shelf} visitor={visitor} />
    </section>
  )
}

function Invitation({ visitor }: { readonly visitor: Visitor }) {
  return (
    <div class="who">
      <p class="who-name">Step into the stream</p>
      <div class="who-controls">
        <button type="button" class="primary" onClick={() => visitor.become(freshVisitorId())}>
          Become a visitor
        </button>
        <OtherVisitor visitor={visitor} />
      </div>
    </div>
  )
}

function Identity({ visitor, userId }: { readonly visitor: Visitor; readonly userId: string }) {
  return (
    <div class="who">
      <p class="who-name">
        <span class="who-you">{/^sim-\d+$/.test(userId) ? 'Simulated visitor' : 'You are'}</span>{' '}
        <strong data-testid="visitor">{userId}</strong>
      </p>
      <div class="who-controls">
        <button type="button" class="secondary" onClick={() => visitor.become(freshVisitorId())}>
          New visitor
        </button>
        <OtherVisitor visitor={visitor} />
      </div>
    </div>
  )
}

function OtherVisitor({ visitor }: { readonly visitor: Visitor }) {
  const [text, setText] = useState('')
  const isUsable = isVisitorId(text.trim())
  return (
    <form
      class="other"
      onSubmit={(event) => {
        event.preventDefault()
        if (isUsable) visitor.become(text.trim())
        setText('')
      }}
    >
      <label class="unseen" for="other-visitor">
        Look through the eyes of another user id
      </label>
      <input
        id="other-visitor"
        list="simulated"
        placeholder="or be… sim-001"
        value={text}
        autocomplete="off"
        spellcheck={false}
        maxLength={128}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <datalist id="simulated">
        {Array.from({ length: SIMULATED_OFFERED }, (_, index) => `sim-${String(index + 1).padStart(3, '0')}`).map(
          (id) => (
            <option key={id} value={id} />
          ),
        )}
      </datalist>
      <button type="submit" class="secondary" disabled={!isUsable}>
        Go
      </button>
    </form>
  )
}

function Past({ shelf, visitor }: { readonly shelf: Shelf; readonly visitor: Visitor }) {
  if (visitor.past.length === 0) {
    return (
      <p class="past-empty">
        {visitor.userId === null
          ? 'You get an id and an empty history. Every click is an event; the next list already knows it.'
          : 'Nothing observed yet: open or like something on the shelf and watch the list beside it.'}
      </p>
    )
  }
  return (
    <div class="past">
      <h2 class="past-title">
        Observed <span class="past-count">{visitor.eventCount}</span>
      </h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling list must be reachable by keyboard */}
      <ol class="past-list" tabIndex={0} aria-label="What you did, newest first">
        {visitor.past.map((act) => {
          const item = shelf.known(act.itemId) ?? { itemId: act.itemId, title: null, categories: [], year: null }
          return (
            <li key={act.key} class={`past-act${act.type === 'dislike' ? ' is-dislike' : ''}`}>
              <Poster item={item} />
              <span class="film-words">
                <span class="past-name" title={nameOf(item, act.itemId)}>
                  {nameOf(item, act.itemId)}
                </span>
                <span class="film-meta">{VERBS[act.type] ?? act.type}</span>
              </span>
            </li>
          )
        })}
      </ol>
    </div>
  )
}
