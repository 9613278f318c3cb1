import { useEffect, useRef, useState } from 'preact/hooks'
import { askEdge, EdgeFailure, failureWords } from './edge.ts'
import { SOURCES, type Source } from './recommendation.ts'

/** One second of the edge's life, as the charts draw it. Figures that are not known are null. */
export interface LiveSample {
  /** Epoch seconds. */
  readonly at: number
  readonly eventsPerSecond: number | null
  readonly requestsPerSecond: number | null
  readonly lagRecords: number | null
  readonly lagSeconds: number | null
  readonly freshnessP50Ms: number | null
  readonly freshnessP99Ms: number | null
  /** 0 to 1. */
  readonly cacheHitRate: number | null
  /** Items served per second by source. */
  readonly served: Readonly<Record<Source, number>>
}

export interface Live {
  readonly samples: readonly LiveSample[]
  readonly modelVersion: string | null
  /** null while the edge answers. */
  readonly trouble: { readonly words: string; readonly isSilent: boolean } | null
  readonly hasAnswered: boolean
}

export const WINDOW_SECONDS = 120
const POLL_MS = 1_000

interface LiveReply {
  readonly at?: string
  readonly eventsPerSecond?: number | null
  readonly requestsPerSecond?: number | null
  readonly lag?: { readonly records: number | null; readonly seconds: number | null }
  readonly freshness?: { readonly p50Ms: number | null; readonly p99Ms: number | null }
  readonly cacheHitRate?: number | null
  readonly sources?: Readonly<Partial<Record<Source, number>>>
  readonly modelVersion?: string | null
}

/** Asks once a second; a silent edge is asked on, so the page recovers by itself. */
export function useLive(): Live {
  const [live, setLive] = useState<Live>({ samples: [], modelVersion: null, trouble: null, hasAnswered: false })
  const isAsking = useRef(false)
  useEffect(() => {
    const controller = new AbortController()
    async function ask(): Promise<void> {
      if (isAsking.current || document.hidden) return
      isAsking.current = true
      try {
        const reply = await askEdge<LiveReply>('monitoring/live', { signal: controller.signal })
        setLive((before) => ({
          samples: [...before.samples, sampleOf(reply)].slice(-WINDOW_SECONDS),
          modelVersion: reply.modelVersion ?? null,
          trouble: null,
          hasAnswered: true,
        }))
      } catch (error) {
        if (controller.signal.aborted) return
        const isSilent = error instanceof EdgeFailure && error.isSilent
        setLive((before) => ({ ...before, trouble: { words: failureWords(error), isSilent } }))
      } finally {
        isAsking.current = false
      }
    }
    void ask()
    const timer = setInterval(() => void ask(), POLL_MS)
    return () => {
      clearInterval(timer)
      controller.abort()
    }
  }, [])
  return live
}

function sampleOf(reply: LiveReply): LiveSample {
  const served = Object.fromEntries(SOURCES.map((source) => [source, reply.sources?.[source] ?? 0]))
  return {
    at: Date.now() / 1_000,
    eventsPerSecond: reply.eventsPerSecond ?? null,
    requestsPerSecond: reply.requestsPerSecond ?? null,
    lagRecords: reply.lag?.records ?? null,
    lagSeconds: reply.lag?.seconds ?? null,
    freshnessP50Ms: reply.freshness?.p50Ms ?? null,
    freshnessP99Ms: reply.freshness?.p99Ms ?? null,
    cacheHitRate: reply.cacheHitRate ?? null,
    served: served as Record<Source, number>,
  }
}
