import { setTimeout as pause } from 'node:timers/promises'
import type { Api } from './api.ts'
import { grouped } from './terminal.ts'

const POLL_MS = 200

export interface LagReply {
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

/** Resolves when the event store's and the user state's consumers have nothing left of topic `interactions`. */
export async function waitUntilCaughtUp(
  api: Api,
  onProgress: (note: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const { groups } = await api.get<LagReply>('/monitoring/lag')
    const behind = groups
      .filter(({ topic }) => topic === 'interactions')
      .reduce((sum, { lagRecords }) => sum + lagRecords, 0)
    if (behind === 0) return
    onProgress(`consumers are ${grouped(behind)} records behind`)
    await pause(POLL_MS, undefined, { signal })
  }
}
