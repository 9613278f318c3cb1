import { setTimeout as pause } from 'node:timers/promises'
import { SOURCES, type Source } from '../../engine/ranking/ladder.ts'
import { isMillraceError } from '../../schemas/errors.ts'
import type { EventLog } from '../../streams/event-log/port.ts'
import type { GroupLag } from '../../streams/lag.ts'
import { TOPICS } from '../../streams/topics.ts'
import type { ServiceContext } from '../runtime/context.ts'
import { createFreshness } from './freshness.ts'

/** Samples kept: five minutes. */
const SAMPLES_MAX = 300
const SAMPLE_MS = 1_000

/** What happened within one second, for live charts. Quantiles and rates without observations are null. */
export interface LiveSample {
  /** Epoch milliseconds. */
  readonly at: number
  readonly eventsPerSecond: number
  readonly recommendationsPerSecond: number
  /** By consumer group. */
  readonly lagRecords: Readonly<Record<string, number>>
  readonly lagSeconds: Readonly<Record<string, number>>
  readonly freshnessMs: { readonly p50: number; readonly p99: number } | null
  readonly cacheHitRate: number | null
  /** Lists by their first source. */
  readonly sources: Readonly<Record<Source, number>>
}

export interface LiveSamples {
  /** Counts a served list by its first source; null for an empty one. */
  countList(source: Source | null, cached: boolean): void
  /** Oldest first. */
  samples(): readonly LiveSample[]
  /** Lists served since the start, by `source` ("none" for empty ones) and cache. */
  totals(): readonly { readonly source: Source | 'none'; readonly cached: boolean; readonly lists: number }[]
  /** Takes one sample now. */
  sample(signal: AbortSignal): Promise<void>
  /** Takes a sample every second until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>
}

/**
 * Counters behind `GET /monitoring/live`. Events are those that reached the log, whoever produced them. Freshness is read
 * from this process's `event_freshness_seconds`, so it is null where the updater runs elsewhere.
 */
export function createLiveSamples(
  context: ServiceContext,
  parts: { readonly log: EventLog; readonly lag: { current(): readonly GroupLag[] } },
): LiveSamples {
  const samples: LiveSample[] = []
  const freshness = createFreshness(context.metrics)
  const hits = new Float64Array(SOURCES.length + 1)
  const misses = new Float64Array(SOURCES.length + 1)
  let before: { at: number; records: number | null; hits: Float64Array; misses: Float64Array } = {
    at: context.now(),
    records: null,
    hits: hits.slice(),
    misses: misses.slice(),
  }

  async function recordsInLog(signal: AbortSignal): Promise<number | null> {
    try {
      const offsets = await parts.log.offsets(TOPICS.interactions, { signal })
      return offsets.reduce((sum, { endOffset }) => sum + endOffset, 0)
    } catch (error) {
      if (isMillraceError(error)) return null
      throw error
    }
  }

  async function sample(signal: AbortSignal): Promise<void> {
    const records = await recordsInLog(signal)
    const at = context.now()
    const seconds = Math.max(0.001, (at - before.at) / 1_000)
    const hit = hits.map((count, source) => count - (before.hits[source] as number))
    const miss = misses.map((count, source) => count - (before.misses[source] as number))
    const [hitSum, missSum] = [sumOf(hit), sumOf(miss)]
    const events = records === null || before.records === null ? 0 : records - before.records
    samples.push({
      at,
      eventsPerSecond: perSecond(events, seconds),
      recommendationsPerSecond: perSecond(hitSum + missSum, seconds),
      lagRecords: byGroup(parts.lag.current(), (sum, { lagRecords }) => sum + lagRecords),
      lagSeconds: byGroup(parts.lag.current(), (most, { lagSeconds }) => Math.max(most, lagSeconds)),
      freshnessMs: await freshness.sinceLast(),
      cacheHitRate: hitSum + missSum === 0 ? null : hitSum / (hitSum + missSum),
      sources: Object.fromEntries(
        SOURCES.map((source, place) => [source, (hit[place] as number) + (miss[place] as number)]),
      ) as Record<Source, number>,
    })
    if (samples.length > SAMPLES_MAX) samples.shift()
    before = { at, records: records ?? before.records, hits: hits.slice(), misses: misses.slice() }
  }

  return {
    countList(source, cached) {
      const place = source === null ? SOURCES.length : SOURCES.indexOf(source)
      const counts = cached ? hits : misses
      counts[place] = (counts[place] as number) + 1
    },
    samples: () => samples,
    totals: () =>
      [...SOURCES, 'none' as const].flatMap((source, place) => [
        { source, cached: true, lists: hits[place] as number },
        { source, cached: false, lists: misses[place] as number },
      ]),
    sample,
    async run(signal) {
      while (!signal.aborted) {
        await sample(signal).catch((error: unknown) => {
          if (!signal.aborted) throw error
        })
        await pause(SAMPLE_MS, undefined, { signal }).catch(() => undefined)
      }
    },
  }
}

function perSecond(count: number, seconds: number): number {
  return Math.round((count / seconds) * 10) / 10
}

function sumOf(counts: Float64Array): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function byGroup(
  lags: readonly GroupLag[],
  fold: (value: number, lag: GroupLag) => number,
): Readonly<Record<string, number>> {
  const groups: Record<string, number> = {}
  for (const lag of lags) groups[lag.group] = fold(groups[lag.group] ?? 0, lag)
  return groups
}
