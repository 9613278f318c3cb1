import { useEffect, useRef } from 'preact/hooks'
import UPlot from 'uplot'
import { WINDOW_SECONDS } from './live.ts'

export interface ChartLine {
  readonly label: string
  /** Name of the CSS custom property that holds its colour. */
  readonly color: string
  readonly isFilled?: boolean
  readonly isDashed?: boolean
  readonly values: readonly (number | null)[]
  /** The newest value in words. */
  readonly latest: string
}

export interface ChartProps {
  readonly title: string
  /** Epoch seconds, one per value. */
  readonly times: readonly number[]
  readonly lines: readonly ChartLine[]
  /** The scale goes up to this at least, so that rest looks like rest. */
  readonly top: number
  /** And no further than this, where the figure has a limit. */
  readonly topMax?: number
  /** Lines come largest sum first, and are named the other way round. */
  readonly isStacked?: boolean
  readonly unit: (value: number) => string
}

const CHART_HEIGHT = 124

/** One small chart over the last two minutes; its newest figures stand above it in words. */
export function Chart(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | null>(null)
  const newest = useRef(props)
  newest.current = props

  useEffect(() => {
    const element = host.current
    if (element === null) return
    const draw = (): void => {
      plot.current?.destroy()
      plot.current = new UPlot(plotOptions(newest.current, element), dataOf(newest.current), element)
    }
    draw()
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: CHART_HEIGHT }),
    )
    resized.observe(element)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', draw)
    return () => {
      resized.disconnect()
      scheme.removeEventListener('change', draw)
      plot.current?.destroy()
      plot.current = null
    }
  }, [])

  useEffect(() => {
    plot.current?.setData(dataOf(props))
  }, [props])

  const summary = props.lines.map((line) => `${line.label} ${line.latest}`).join(', ')
  return (
    <figure class={`chart${props.isStacked ? ' is-stacked' : ''}`}>
      <figcaption class="chart-head">
        <span class="chart-title">{props.title}</span>
        <span class="chart-legend">
          {(props.isStacked ? props.lines.toReversed() : props.lines).map((line) => (
            <span key={line.label} class="chart-key" style={`--key:var(${line.color})`}>
              {line.label !== '' && <span class="chart-label">{line.label}</span>}
              <span class="chart-value">{line.latest}</span>
            </span>
          ))}
        </span>
      </figcaption>
      <div
        class="chart-canvas"
        ref={host}
        role="img"
        aria-label={`${props.title}, last two minutes. Now: ${summary}`}
      />
    </figure>
  )
}

function dataOf(props: ChartProps): UPlot.AlignedData {
  return [[...props.times], ...props.lines.map((line) => [...line.values])] as UPlot.AlignedData
}

function plotOptions(props: ChartProps, element: HTMLElement): UPlot.Options {
  const style = getComputedStyle(element)
  const color = (name: string): string => style.getPropertyValue(name).trim()
  const axis = { stroke: color('--muted'), font: `10px ${style.fontFamily}`, ticks: { show: false } }
  return {
    width: Math.max(120, element.clientWidth),
    height: CHART_HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [6, 4, 0, 0],
    scales: {
      x: { time: true, range: () => windowNow() },
      y: { range: (plot) => [0, topOf(plot.data.slice(1), props)] },
    },
    axes: [
      {
        ...axis,
        size: 18,
        gap: 4,
        grid: { show: false },
        splits: () => marksOf(windowNow()),
        values: () => MARKS.map(({ label }) => label),
      },
      {
        ...axis,
        size: 44,
        gap: 6,
        grid: { stroke: color('--line'), width: 1 },
        splits: (plot) => {
          const top = plot.scales.y?.max ?? props.top
          return [0, top / 2, top]
        },
        values: (_plot, splits) => splits.map((value, index) => (index === 1 ? '' : props.unit(value))),
      },
    ],
    series: [
      {},
      ...props.lines.map((line) => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.6,
        points: { show: false },
        spanGaps: true,
        ...(line.isDashed ? { dash: [4, 3] } : {}),
        ...(line.isFilled ? { fill: color(`${line.color}-soft`) } : {}),
      })),
    ],
  }
}

/** A lone spike, such as the first burst of a start, is cut off rather than flattening everything else. */
const SPIKE_RATIO = 2
const SPIKE_QUANTILE = 0.95

function topOf(lines: readonly ArrayLike<number | null | undefined>[], props: ChartProps): number {
  const values = lines
    .flatMap((line) => Array.from(line))
    .filter((value) => typeof value === 'number')
    .sort((left, right) => left - right)
  const usual = values[Math.floor((values.length - 1) * SPIKE_QUANTILE)] ?? 0
  const highest = Math.min(values.at(-1) ?? 0, Math.max(props.top, usual * SPIKE_RATIO))
  return Math.min(props.topMax ?? Number.POSITIVE_INFINITY, Math.max(props.top, highest * 1.15))
}

const MARKS = [
  { seconds: 120, label: '' },
  { seconds: 60, label: '1 min ago' },
  { seconds: 0, label: 'now' },
] as const

function windowNow(): [number, number] {
  const now = Date.now() / 1_000
  return [now - WINDOW_SECONDS, now + 4]
}

function marksOf([, end]: [number, number]): number[] {
  return MARKS.map(({ seconds }) => end - 4 - seconds)
}
