import { useEffect, useRef, useState } from 'preact/hooks'
import { count, rate } from './figures.ts'
import { FilmsPanel } from './films-panel.tsx'
import { MillraceMark } from './icons.tsx'
import { type Live, lagRecordsOf, useLive } from './live.ts'
import { LivePanel } from './live-panel.tsx'
import { ModelsPanel } from './models-panel.tsx'
import { RecommendedPanel } from './recommended-panel.tsx'
import { createShelf } from './shelf.ts'
import { useModels } from './use-models.ts'
import { useVisitor } from './use-visitor.ts'
import { VisitorBar } from './visitor-bar.tsx'

export function Page() {
  const [shelf] = useState(createShelf)
  const live = useLive()
  const models = useModels()
  const visitor = useVisitor(shelf)
  const revision = useRevision(live, models.serving)
  const shelfRevision = `${revision} ${fillingRound(live)}`
  const shown = useRef(revision)
  useEffect(() => {
    // A list that a click waits for is never cut off: this runs again once it is there.
    if (shown.current !== revision && visitor.refresh()) shown.current = revision
  }, [revision, visitor])
  return (
    <>
      <a class="skip" href="#recommended-title">
        Skip to your recommendations
      </a>
      <Masthead live={live} serving={models.serving} />
      <Silence live={live} />
      <main class="layout">
        <VisitorBar shelf={shelf} visitor={visitor} />
        <FilmsPanel shelf={shelf} visitor={visitor} revision={shelfRevision} />
        <RecommendedPanel shelf={shelf} visitor={visitor} />
        <LivePanel live={live} />
        <ModelsPanel models={models} />
      </main>
      <footer class="foot">
        <a href="docs">API</a>
        <a href="metrics">Metrics</a>
        <a href="api/v1/monitoring/status">Status</a>
        <a href="api/v1/monitoring/lag">Lag</a>
        <span>Visitors named sim-… are simulated.</span>
      </footer>
    </>
  )
}

/** Changes when lists are worth asking for again: another model serves, or the edge answers again. */
function useRevision(live: Live, serving: string | null): string {
  const [round, setRound] = useState(0)
  const isSilent = live.trouble !== null
  useEffect(() => {
    if (!isSilent) setRound((before) => before + 1)
  }, [isSilent])
  return `${serving} ${round}`
}

/** The shelf may still be filling right after the start: it is asked again a few times, then left in peace. */
function fillingRound(live: Live): number {
  return Math.min(6, Math.floor(live.samples.length / 5))
}

function Masthead({ live, serving }: { readonly live: Live; readonly serving: string | null }) {
  const last = live.samples.at(-1)
  const isWell = live.trouble === null && live.hasAnswered
  return (
    <header class="masthead">
      <MillraceMark />
      <div class="masthead-words">
        <h1>Millrace</h1>
        <p>One interaction changes the very next recommendation.</p>
      </div>
      <p class={`pulse${isWell ? ' is-well' : ''}`}>
        <span class="pulse-dot" aria-hidden="true" />
        {isWell ? (
          <>
            <span>{rate(last?.eventsPerSecond)} events/s</span>
            <span>lag {count(last === undefined ? null : lagRecordsOf(last))}</span>
            <span>model {serving ?? 'none'}</span>
          </>
        ) : (
          <span>{live.trouble === null ? 'connecting' : 'no answer'}</span>
        )}
      </p>
    </header>
  )
}

function Silence({ live }: { readonly live: Live }) {
  if (live.trouble === null) return null
  return (
    <p class="silence" role="alert">
      {live.trouble.isSilent ? (
        <>
          <strong>The edge does not answer.</strong> Start it with <code>npm start</code>; this page tries again every
          second and goes on by itself.
        </>
      ) : (
        <>
          <strong>The edge has trouble:</strong> {live.trouble.words}. Trying again every second.
        </>
      )}
    </p>
  )
}
