import { useEffect, useState } from 'preact/hooks'
import { askEdge, EdgeFailure, failureWords } from './edge.ts'
import type { Source } from './recommendation.ts'

/** One second of the edge's life, as `GET /monitoring/live` tells it. Figures without observations are null. */
export interface LiveSample {
  /** Epoch milliseconds. */
  readonly at: number
  readonly eventsPerSecond: number
  readonly recommendationsPerSecond: number
  /** By consumer group. */
  readonly lagRecords: Readonly<Record<string, number>>
  readonly lagSeconds: Readonly<Record<string, number>>
  readonly freshnessMs: { readonly p50: number; readonly p99: number } | null
  /** 0 to 1. */
  readonly cacheHitRate: number | null
  /** Lists by their first source. */
  readonly sources: Readonly<Partial<Record<Source, number>>>
}

export interface Live {
  /** Of the last two minutes, oldest first. */
  readonly samples: readonly LiveSample[]
  /** null while the edge answers. */
  readonly trouble: { readonly words: string; readonly isSilent: boolean } | null
  readonly hasAnswered: boolean
}

export const WINDOW_SECONDS = 120
const POLL_MS = 1_000

/** Asks once a second; a silent edge is asked on, so the page recovers by itself. */
export function useLive(): Live {
  const [live, setLive] = useState<Live>({ samples: [], trouble: null, hasAnswered: false })
  useEffect(() => {
    const controller = new AbortController()
    let isAsking = false
    async function ask(): Promise<void> {
      if (isAsking || document.hidden) return
      isAsking = true
      try {
        const reply = await askEdge<{ samples: readonly LiveSample[] }>('monitoring/live', {
          signal: controller.signal,
        })
        setLive({ samples: reply.samples.slice(-WINDOW_SECONDS), trouble: null, hasAnswered: true })
      } catch (error) {
        if (controller.signal.aborted) return
        const isSilent = error instanceof EdgeFailure && error.isSilent
        setLive((before) => ({ ...before, trouble: { words: failureWords(error), isSilent } }))
      } finally {
        isAsking = false
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

/** Records that the slowest consumer group has still to read. */
export function lagRecordsOf(sample: LiveSample): number {
  return Math.max(0, ...Object.values(sample.lagRecords))
}

export function lagSecondsOf(sample: LiveSample): number {
  return Math.max(0, ...Object.values(sample.lagSeconds))
}
