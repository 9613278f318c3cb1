import { setTimeout as pause } from 'node:timers/promises'
import type { Recommendations } from '../support/api.ts'
import type { FileEvent } from '../support/events.ts'

const BATCH_EVENTS = 50
/** Between tries of events that no edge has taken, and of a reader. */
const RETRY_PAUSE_MS = 200
const READ_PAUSE_MS = 20
const REQUEST_DEADLINE_MS = 30_000

/** A client that writes every event, in order, until it is acknowledged. */
export interface Writer {
  acknowledged(): number
  /** Requests that failed at an edge and were sent again. */
  retries(): number
  /** How many events may be sent by now; it waits there. */
  allow(events: number): void
  /** Resolves when the last event is acknowledged. */
  readonly done: Promise<void>
}

/** What readers saw: none of it may be worse than degraded. */
export interface ReaderCounts {
  lists: number
  degraded: number
  retries: number
  /** Lists that were neither answered 200 by one of two edges nor honest about what they lacked. */
  readonly failures: string[]
}

/** Writes in batches to the edges in turn, each retried once on the other edge, then after a pause, with the same ids. */
export function startWriter(urls: readonly string[], events: readonly FileEvent[], signal: AbortSignal): Writer {
  let [next, allowed, retries] = [0, 0, 0]
  async function run(): Promise<void> {
    for (let turn = 0; next < events.length; turn++) {
      while (next >= allowed) await pause(RETRY_PAUSE_MS / 4, undefined, { signal })
      const batch = events.slice(next, Math.min(next + BATCH_EVENTS, allowed))
      const body = JSON.stringify({ events: batch.map(toInput) })
      for (
        let attempt = 0;
        !(await isTaken(urls[(turn + attempt) % urls.length] as string, body, batch.length));
        attempt++
      ) {
        retries++
        if (attempt % 2 === 1) await pause(RETRY_PAUSE_MS, undefined, { signal })
      }
      next += batch.length
    }
  }
  return {
    acknowledged: () => next,
    retries: () => retries,
    allow(count) {
      allowed = Math.min(events.length, count)
    },
    done: run(),
  }
}

function toInput(event: FileEvent) {
  return { ...event, timestamp: new Date(event.timestamp).toISOString() }
}

async function isTaken(url: string, body: string, events: number): Promise<boolean> {
  const answer = await ask(`${url}/api/v1/events`, {
    ...{ method: 'POST', body, headers: { 'content-type': 'application/json' } },
  })
  if (answer === null || answer.status === 503 || answer.status === 429) return false
  const { accepted } = answer.status === 202 ? (JSON.parse(answer.text) as { accepted: number }) : { accepted: 0 }
  if (accepted !== events) throw new Error(`${accepted} of ${events} events accepted: ${answer.status} ${answer.text}`)
  return true
}

/** Reads lists of the users in turn until the signal aborts, each retried once on the other edge. */
export async function readLists(
  urls: readonly string[],
  users: readonly string[],
  counts: ReaderCounts,
  signal: AbortSignal,
): Promise<void> {
  const known = new Set<string>()
  for (let turn = 0; !signal.aborted; turn++) {
    const userId = users[turn % users.length] as string
    const path = `/api/v1/recommendations/user/${userId}?limit=10`
    let answer = await ask(`${urls[turn % urls.length]}${path}`)
    if (answer?.status !== 200) {
      counts.retries++
      answer = await ask(`${urls[(turn + 1) % urls.length]}${path}`)
    }
    if (answer?.status === 200) judge(JSON.parse(answer.text), known, counts)
    else counts.failures.push(`${userId}: ${answer?.status ?? 'no answer'} ${answer?.text ?? ''}`)
    await pause(READ_PAUSE_MS)
  }
}

/** A user that was known once is known, or the reply is marked degraded. */
function judge(list: Recommendations, known: Set<string>, counts: ReaderCounts): void {
  counts.lists++
  if (list.degraded) counts.degraded++
  if (list.state !== null) known.add(list.userId)
  else if (known.has(list.userId) && !list.degraded) {
    counts.failures.push(`${list.userId} was known, and is not any more in ${JSON.stringify(list).slice(0, 300)}`)
  }
}

async function ask(url: string, init: RequestInit = {}): Promise<{ status: number; text: string } | null> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) })
    return { status: response.status, text: await response.text() }
  } catch {
    return null
  }
}
