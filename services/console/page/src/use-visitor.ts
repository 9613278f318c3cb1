import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { askEdge, failureWords, isAbort } from './edge.ts'
import type { RecommendReply } from './recommendation.ts'
import type { Shelf, ShelfItem } from './shelf.ts'
import { freshEventId } from './visitor-names.ts'

export interface PastAct {
  readonly key: string
  readonly itemId: string
  readonly type: string
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
  /** false, doing nothing, while another list is being waited for. */
  refresh(): boolean
}

export const LIST_LENGTH = 12
const PAST_SHOWN_MAX = 40
const REMEMBERED_AS = 'millrace-visitor'

interface HistoryReply {
  /** Newest first. */
  readonly events: readonly { readonly eventId: string; readonly itemId: string; readonly type: string }[]
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
  const { run, trouble, isBusy, isRunning } = useNewestWork()

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
      setList((before) => {
        if (before !== null && timing === null && isSameList(before.reply, reply)) return { ...before, reply }
        return { reply, ...measured, ranksBefore: ranksOf(before), isFirst: before === null }
      })
      const named = reply.items.flatMap((item) => (item.reason?.kind === 'because' ? item.reason.ids : []))
      await shelf.learn(named, signal)
      setList((now) => (now?.reply === reply ? { ...now } : now))
    },
    [shelf],
  )

  const refresh = useCallback(() => {
    if (isRunning()) return false
    void run((signal) => read(userId, null, signal))
    return true
  }, [run, isRunning, read, userId])

  useEffect(() => {
    setList(null)
    setPast([])
    void run((signal) => read(userId, null, signal))
  }, [userId, run, read])
  useStoredPast(userId, list !== null && list.reply.state !== null, shelf, setPast)

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

/** Adds what the event store knows of the visitor, once the user state says that there is something to know. */
function useStoredPast(
  userId: string | null,
  isKnown: boolean,
  shelf: Shelf,
  setPast: (change: (before: readonly PastAct[]) => readonly PastAct[]) => void,
): void {
  useEffect(() => {
    if (userId === null || !isKnown) return
    const controller = new AbortController()
    readPast(userId, shelf, controller.signal)
      .then((stored) =>
        setPast((before) => {
          const keys = new Set(stored.map((act) => act.key))
          return [...before.filter((act) => !keys.has(act.key)), ...stored].slice(0, PAST_SHOWN_MAX)
        }),
      )
      // The list goes on without it; a silent edge is told by the page anyway.
      .catch(() => undefined)
    return () => controller.abort()
  }, [userId, isKnown, shelf, setPast])
}

/** Runs work of which only the newest matters: starting one aborts the one before. */
function useNewestWork() {
  const [trouble, setTrouble] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const newest = useRef<AbortController | null>(null)
  const run = useCallback(async (work: (signal: AbortSignal) => Promise<void>) => {
    newest.current?.abort()
    const controller = new AbortController()
    newest.current = controller
    setBusy(true)
    try {
      await work(controller.signal)
      setTrouble(null)
    } catch (error) {
      if (!controller.signal.aborted && !isAbort(error)) setTrouble(failureWords(error))
    }
    if (newest.current !== controller) return
    newest.current = null
    setBusy(false)
  }, [])
  // At once, unlike `isBusy`, which follows with the next rendering.
  const isRunning = useCallback(() => newest.current !== null, [])
  return { run, trouble, isBusy, isRunning }
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
  const path = `users/${encodeURIComponent(userId)}/history?limit=${PAST_SHOWN_MAX}`
  const { events } = await askEdge<HistoryReply>(path, { signal })
  await shelf.learn(
    events.map((event) => event.itemId),
    signal,
  )
  return events.map(({ eventId, itemId, type }) => ({ key: eventId, itemId, type }))
}

function isSameList(before: RecommendReply, now: RecommendReply): boolean {
  return (
    before.items.length === now.items.length && before.items.every((item, at) => item.itemId === now.items[at]?.itemId)
  )
}

function ranksOf(list: ShownList | null): ReadonlyMap<string, number> {
  return new Map(list?.reply.items.map((item) => [item.itemId, item.rank]) ?? [])
}
