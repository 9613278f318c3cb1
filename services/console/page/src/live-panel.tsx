import { Chart, type ChartLine } from './chart.tsx'
import { count, milliseconds, percent, rate, seconds } from './figures.ts'
import { type Live, type LiveSample, lagRecordsOf, lagSecondsOf } from './live.ts'
import { SOURCES } from './recommendation.ts'

interface Line extends Pick<ChartLine, 'label' | 'color' | 'isFilled' | 'isDashed'> {
  readonly read: (sample: LiveSample) => number | null
  readonly words: (value: number | null | undefined) => string
}

/** Each figure's line; `top` is the least height of the scale, so that rest looks like rest. */
const CHARTS: readonly {
  readonly title: string
  readonly top: number
  readonly topMax?: number
  readonly unit: (value: number) => string
  readonly lines: readonly Line[]
}[] = [
  {
    title: 'Events per second',
    top: 10,
    unit: axisNumber,
    lines: [{ label: '', color: '--water', isFilled: true, read: (sample) => sample.eventsPerSecond, words: rate }],
  },
  {
    title: 'Freshness',
    top: 5,
    unit: (value) => (value >= 1_000 ? `${axisNumber(value / 1_000)} s` : `${axisNumber(value)} ms`),
    lines: [
      { label: 'p50', color: '--water', read: (sample) => sample.freshnessMs?.p50 ?? null, words: milliseconds },
      { label: 'p99', color: '--ember', read: (sample) => sample.freshnessMs?.p99 ?? null, words: milliseconds },
    ],
  },
  {
    title: 'Lag',
    top: 4,
    unit: axisNumber,
    lines: [
      { label: 'records', color: '--plum', isFilled: true, read: lagRecordsOf, words: count },
      { label: 'seconds', color: '--ember', isDashed: true, read: lagSecondsOf, words: seconds },
    ],
  },
  {
    title: 'Cache hits',
    top: 1,
    topMax: 1,
    unit: percent,
    lines: [{ label: '', color: '--moss', isFilled: true, read: (sample) => sample.cacheHitRate, words: percent }],
  },
]

/** What the stream does right now, over the last two minutes. */
export function LivePanel({ live }: { readonly live: Live }) {
  const { samples } = live
  const times = samples.map((sample) => sample.at / 1_000)
  const last = samples.at(-1) ?? null
  return (
    <section class="panel live" aria-labelledby="live-title">
      <header class="panel-head">
        <h2 id="live-title">The stream</h2>
        <p class="panel-note">last two minutes</p>
      </header>
      <div class="charts">
        {CHARTS.map(({ lines, ...chart }) => (
          <Chart
            key={chart.title}
            {...chart}
            times={times}
            lines={lines.map(({ read, words, ...line }) => ({
              ...line,
              values: samples.map(read),
              latest: words(last === null ? null : read(last)),
            }))}
          />
        ))}
        <ServedChart samples={samples} times={times} />
      </div>
    </section>
  )
}

/** Stacked: each line is the sum up to its source and drawn over the larger sums. */
function ServedChart({
  samples,
  times,
}: {
  readonly samples: readonly LiveSample[]
  readonly times: readonly number[]
}) {
  const last = samples.at(-1) ?? null
  const lines = SOURCES.map((source, index) => ({
    label: source,
    color: `--source-${source}`,
    isFilled: true,
    values: samples.map((sample) =>
      SOURCES.slice(0, index + 1).reduce((sum, name) => sum + (sample.sources[name] ?? 0), 0),
    ),
    latest: rate(last?.sources[source]),
  })).reverse()
  return (
    <Chart title="Lists served per second, by source" times={times} top={5} unit={axisNumber} lines={lines} isStacked />
  )
}

function axisNumber(value: number): string {
  if (value >= 1_000) return `${(value / 1_000).toFixed(1)}k`
  return value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1)
}
