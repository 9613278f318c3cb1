import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { isMillraceError } from '../../schemas/errors.ts'
import type { EventStore, PopularItem } from '../../stores/event-store/port.ts'
import type { Catalogue } from './catalogue-port.ts'
import type { ServiceContext } from './context.ts'
import type { Outages } from './outages.ts'

/** How often the event store is asked, and how often at first, while there is nothing yet. */
const REFRESH_MS = 30_000
const REFRESH_YOUNG_MS = 2_000
/** A failing event store's last answer counts as current for this long. */
const STALE_AFTER_MS = 300_000
/** Categories of a changing catalogue are indexed anew at most this often. */
const REINDEX_MS = 2_000
const ITEMS_MAX = 10_000
const DAY_MS = 86_400_000

/** Windows of popularity, back from the newest event. */
export const WINDOWS_MS = { '1d': DAY_MS, '7d': 7 * DAY_MS, '30d': 30 * DAY_MS, '90d': 90 * DAY_MS } as const
export type PopularityWindow = keyof typeof WINDOWS_MS

const SavedAnswer = Type.Object({
  version: Type.Literal(1),
  items: Type.Array(Type.Object({ itemId: Type.String(), score: Type.Number(), events: Type.Number() })),
})

/** What is popular, best first, asked of the event store in the background and never during a request. */
export interface Popularity {
  /** The event store's answer; null while it has never answered this process, or not for five minutes. */
  current(): readonly PopularItem[] | null
  /** The items of `current` in a category. */
  ofCategory(category: string): readonly PopularItem[]
  /** The last answer ever received, kept on disk. */
  saved(): readonly PopularItem[]
  /** Popular within a window; asked when needed and kept for 30 s. Throws what the event store throws. */
  within(window: PopularityWindow, signal: AbortSignal): Promise<readonly PopularItem[]>
  /** Asks once; a failure is logged and leaves the last answer. */
  refresh(signal: AbortSignal): Promise<void>
  /** Reads the saved answer, then refreshes until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>
}

/** `file` holds the saved answer. */
export function createPopularity(
  context: ServiceContext,
  parts: {
    readonly eventStore: EventStore
    readonly catalogue: Catalogue
    readonly file: string
    readonly outages: Outages
  },
): Popularity {
  const { now } = context
  const weights = Object.fromEntries(Object.entries(context.eventWeights.weights).filter(([, weight]) => weight > 0))
  const halfLifeMs = context.settings.HALF_LIFE_DAYS * DAY_MS
  const windows = new Map<PopularityWindow, { readonly at: number; readonly items: Promise<readonly PopularItem[]> }>()
  let answer: { readonly at: number; readonly items: readonly PopularItem[] } | null = null
  let saved: readonly PopularItem[] = []
  let index: CategoryIndex | null = null

  function ask(windowMs: number | null, signal: AbortSignal): Promise<readonly PopularItem[]> {
    return parts.eventStore.popular({ weights, halfLifeMs, windowMs, limit: ITEMS_MAX }, { signal })
  }

  /** Both ways, so that nothing is kept for long because the clock was set back. */
  function isWithin(at: number, milliseconds: number): boolean {
    return Math.abs(now() - at) < milliseconds
  }

  function current(): readonly PopularItem[] | null {
    return answer !== null && isWithin(answer.at, STALE_AFTER_MS) ? answer.items : null
  }

  async function refresh(signal: AbortSignal): Promise<void> {
    try {
      const items = await ask(null, signal)
      answer = { at: now(), items }
      parts.outages.passed('STORE_UNAVAILABLE')
      if (items.length === 0) return
      saved = items
      await save(parts.file, items)
    } catch (error) {
      if (signal.aborted) return
      if (!isMillraceError(error) && (error as NodeJS.ErrnoException).code === undefined) throw error
      parts.outages.failed(error, 'popular items are not refreshed or not saved; the last ones stay')
    }
  }

  return {
    current,
    ofCategory(category) {
      const items = current() ?? saved
      const { revision } = parts.catalogue
      const outdated = index?.items !== items || (index.revision !== revision && !isWithin(index.at, REINDEX_MS))
      if (index === null || outdated) index = indexCategories(items, parts.catalogue, now())
      return index.byCategory.get(category) ?? []
    },
    saved: () => saved,
    within(window, signal) {
      const kept = windows.get(window)
      if (kept && isWithin(kept.at, REFRESH_MS)) return kept.items
      // The promise is kept, so that many requests at once ask once.
      const asked = { at: now(), items: ask(WINDOWS_MS[window], signal) }
      windows.set(window, asked)
      asked.items.catch(() => {
        if (windows.get(window) === asked) windows.delete(window)
      })
      return asked.items
    },
    refresh,
    async run(signal) {
      saved = (await load(parts.file)) ?? saved
      let delayMs = REFRESH_YOUNG_MS
      while (!signal.aborted) {
        await refresh(signal)
        if ((answer?.items.length ?? 0) > 0) delayMs = Math.min(REFRESH_MS, delayMs * 2)
        await pause(delayMs, undefined, { signal }).catch(() => undefined)
      }
    },
  }
}

interface CategoryIndex {
  readonly items: readonly PopularItem[]
  readonly revision: string
  readonly at: number
  readonly byCategory: ReadonlyMap<string, readonly PopularItem[]>
}

function indexCategories(items: readonly PopularItem[], catalogue: Catalogue, at: number): CategoryIndex {
  const byCategory = new Map<string, PopularItem[]>()
  for (const item of items) {
    for (const category of catalogue.item(item.itemId)?.categories ?? []) {
      const members = byCategory.get(category)
      if (members) members.push(item)
      else byCategory.set(category, [item])
    }
  }
  return { items, revision: catalogue.revision, at, byCategory }
}

async function load(file: string): Promise<readonly PopularItem[] | null> {
  try {
    const parsed: Static<typeof SavedAnswer> = Value.Parse(SavedAnswer, JSON.parse(await readFile(file, 'utf8')))
    return parsed.items
  } catch {
    // Absent or damaged: the file only bridges the time until the event store answers.
    return null
  }
}

async function save(file: string, items: readonly PopularItem[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.draft`, JSON.stringify({ version: 1, items }))
  await rename(`${file}.draft`, file)
}
