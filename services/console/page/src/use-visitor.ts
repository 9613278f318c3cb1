import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { askEdge, failureWords, isAbort } from './edge.ts'
import type { RecommendReply } from './recommendation.ts'
import type { Shelf, ShelfItem } from './shelf.ts'
import { freshEventId } from './visitor-names.ts'

export interface PastAct {
  readonly key: string
  readonly itemId: string
  /** null where only the history knows of it. */
  readonly type: string | null
}

/** A list with what it took to get it. `clickMs` is null for a list nobody clicked for. */
export interface ShownList {
  readonly reply: RecommendReply
  readonly clickMs: number | null
  readonly acknowledgedMs: number | null
  readonly readMs: number
  /** Rank that each item had in the list before; absent for new ones. */
  readonly ranksBefore: ReadonlyMap<string, number>
  readonly isFirst: boolean
}

export interface Visitor {
  readonly userId: string | null
  readonly list: ShownList | null
  readonly past: readonly PastAct[]
  readonly eventCount: number
  readonly trouble: string | null
  readonly isBusy: boolean
  become(userId: string | null): void
  act(item: ShelfItem, type: string): void
  refresh(): void
}

export const LIST_LENGTH = 12
const PAST_SHOWN_MAX = 40
const REMEMBERED_AS = 'millrace-visitor'

interface HistoryReply {
  readonly items?: readonly { readonly itemId: string; readonly title?: string | null }[]
}
interface EventReply {
  readonly token: string
  readonly rejected?: readonly { readonly detail: string }[]
}

/** One visitor of the page: who, what they did, and the list they get. Only the newest answer is ever shown. */
export function useVisitor(shelf: Shelf): Visitor {
  const [userId, setUserId] = useState<string | null>(() => localStorage.getItem(REMEMBERED_AS))
  const [list, setList] = useState<ShownList | null>(null)
  const [past, setPast] = useState<readonly PastAct[]>([])
  const { run, trouble, isBusy } = useNewestWork()

  const read = useCallback(
    async (id: string | null, timing: Timing | null, signal: AbortSignal) => {
      const startedAt = performance.now()
      const reply = await readList(id, timing?.token ?? null, signal)
      const endedAt = performance.now()
      for (const item of reply.items) shelf.remember(item)
      const measured = {
        clickMs: timing === null ? null : endedAt - timing.clickedAt,
        acknowledgedMs: timing === null ? null : timing.acknowledgedAt - timing.clickedAt,
        readMs: endedAt - startedAt,
      }
      setList((before) => ({ reply, ...measured, ranksBefore: ranksOf(before), isFirst: before === null }))
      const named = reply.items.flatMap((item) => (item.reason?.kind === 'because' ? item.reason.ids : []))
      await shelf.learn(named, signal)
      setList((now) => (now?.reply === reply ? { ...now } : now))
    },
    [shelf],
  )

  const refresh = useCallback(() => void run((signal) => read(userId, null, signal)), [run, read, userId])

  useEffect(() => {
    setList(null)
    setPast([])
    void run(async (signal) => {
      const [history] = await Promise.all([
        userId === null ? Promise.resolve<readonly PastAct[]>([]) : readPast(userId, shelf, signal),
        read(userId, null, signal),
      ])
      setPast(history)
    })
  }, [userId, run, read, shelf])

  const become = useCallback((id: string | null) => {
    if (id === null) localStorage.removeItem(REMEMBERED_AS)
    else localStorage.setItem(REMEMBERED_AS, id)
    setUserId(id)
  }, [])

  const act = useCallback(
    (item: ShelfItem, type: string) => {
      if (userId === null) return
      const clickedAt = performance.now()
      const eventId = freshEventId()
      void run(async (signal) => {
        // The event itself is never cancelled by a later click; only the reading of the list is.
        const body = { eventId, userId, itemId: item.itemId, type }
        const { token } = await askEdge<EventReply>('events', { method: 'POST', body })
        setPast((before) => [{ key: eventId, itemId: item.itemId, type }, ...before].slice(0, PAST_SHOWN_MAX))
        if (signal.aborted) return
        await read(userId, { token, clickedAt, acknowledgedAt: performance.now() }, signal)
      })
    },
    [userId, run, read],
  )

  const eventCount = Math.max(list?.reply.state?.events ?? 0, past.length)
  return useMemo(
    () => ({ userId, list, past, eventCount, trouble, isBusy, become, act, refresh }),
    [userId, list, past, eventCount, trouble, isBusy, become, act, refresh],
  )
}

/** Runs work of which only the newest matters: starting one aborts the one before. */
function useNewestWork() {
  const [trouble, setTrouble] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const newest = useRef(new AbortController())
  const run = useCallback(async (work: (signal: AbortSignal) => Promise<void>) => {
    newest.current.abort()
    const controller = new AbortController()
    newest.current = controller
    setBusy(true)
    try {
      await work(controller.signal)
      setTrouble(null)
    } catch (error) {
      if (!controller.signal.aborted && !isAbort(error)) setTrouble(failureWords(error))
    }
    if (newest.current === controller) setBusy(false)
  }, [])
  return { run, trouble, isBusy }
}

interface Timing {
  readonly token: string
  readonly clickedAt: number
  readonly acknowledgedAt: number
}

function readList(userId: string | null, token: string | null, signal: AbortSignal): Promise<RecommendReply> {
  const query = new URLSearchParams({ include: 'metadata', limit: String(LIST_LENGTH) })
  if (token !== null) query.set('after', token)
  const path = userId === null ? 'recommendations/popular' : `recommendations/user/${encodeURIComponent(userId)}`
  return askEdge<RecommendReply>(`${path}?${query}`, { signal })
}

async function readPast(userId: string, shelf: Shelf, signal: AbortSignal): Promise<readonly PastAct[]> {
  const path = `users/${encodeURIComponent(userId)}/history?include=metadata&limit=${PAST_SHOWN_MAX}`
  const reply = await askEdge<HistoryReply>(path, { signal }).catch((error: unknown) => {
    if (signal.aborted) throw error
    return {} as HistoryReply
  })
  const items = (reply.items ?? []).slice(0, PAST_SHOWN_MAX)
  for (const item of items) if (item.title) shelf.remember(item)
  await shelf.learn(
    items.map((item) => item.itemId),
    signal,
  )
  return items.map((item) => ({ key: `history-${item.itemId}`, itemId: item.itemId, type: null }))
}

function ranksOf(list: ShownList | null): ReadonlyMap<string, number> {
  return new Map(list?.reply.items.map((item) => [item.itemId, item.rank]) ?? [])
}
