import { setTimeout as pause } from 'node:timers/promises'
import type { Api } from './api.ts'
import { grouped } from './terminal.ts'

const POLL_MS = 200

export interface LagReply {
  /** Of the answer and of what it tells, epoch milliseconds of the edge's clock; null before the first look. */
  readonly at: number
  readonly sampledAt: number | null
  readonly groups: readonly {
    readonly group: string
    readonly topic: string
    readonly partition: number
    readonly lagRecords: number
    readonly lagSeconds: number
  }[]
}

export interface StatusReply {
  readonly logId: string
  readonly log: { readonly interactions: number }
  readonly eventStore: { readonly events: number } | null
  readonly userState: { readonly users: number; readonly events: number } | null
  readonly deadLetters: number
  readonly model: { readonly version: string } | null
}

/**
 * Resolves when the event store's and the user state's consumers have nothing left of topic `interactions`, as seen after
 * this call: an edge looks once a second, and what it saw before knows nothing of the records sent last.
 */
export async function waitUntilCaughtUp(
  api: Api,
  onProgress: (note: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let since = Number.POSITIVE_INFINITY
  for (;;) {
    const { at, sampledAt, groups } = await api.get<LagReply>('/monitoring/lag')
    // The earliest time told, in case that the clock is set back meanwhile.
    since = Math.min(since, at)
    const behind = groups
      .filter(({ topic }) => topic === 'interactions')
      .reduce((sum, { lagRecords }) => sum + lagRecords, 0)
    const isNew = sampledAt !== null && sampledAt > since && sampledAt <= at
    if (behind === 0 && isNew) return
    if (behind > 0) onProgress(`consumers are ${grouped(behind)} records behind`)
    await pause(POLL_MS, undefined, { signal })
  }
}
