import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import { isMillraceError } from '../../schemas/errors.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import type { EventLog, LogBatch, LogRecord, Position } from '../../streams/event-log/port.ts'
import { TOPICS } from '../../streams/topics.ts'
import { CatalogueIndex } from './catalogue-index.ts'
import type { Catalogue } from './catalogue-port.ts'
import type { Outages } from './outages.ts'

const ITEMS_TOPIC = TOPICS.items
const USERS_TOPIC = TOPICS.users
const RETRY_DELAY_MS = 1_000
/** Writers waiting to see their own records at once; the next one is told at once that it was not seen. */
const WAITERS_MAX = 10_000

export interface FollowedCatalogue extends Catalogue {
  /** true once everything that was in both topics at the start has been read. */
  readonly ready: boolean
  /** Resolves when `ready` becomes true; rejects when following ends before. */
  readonly whenReady: Promise<void>
  /** Records that could not be read and were left out. */
  readonly unreadable: number
  /** true as soon as all positions have been read; false after `timeoutMs`. */
  waitUntilRead(positions: readonly Position[], timeoutMs: number): Promise<boolean>
  /** Resolves after `signal` has aborted; rejects with what only a bug can cause. */
  readonly done: Promise<void>
}

interface Waiter {
  readonly missing: Map<string, number>
  readonly resolve: (read: boolean) => void
  readonly timer: NodeJS.Timeout
}

/**
 * Follows the compacted topics `items` and `users` from their starts until `signal` aborts. A log that does not answer
 * is tried again every second from the start of the topic, where what was read already is passed over, for it may be
 * outdated and not compacted yet; a record that cannot be decoded is logged, counted and left out.
 */
export function followCatalogue(
  parts: { readonly log: EventLog; readonly codecs: Codecs; readonly logger: Logger; readonly outages: Outages },
  signal: AbortSignal,
): FollowedCatalogue {
  const index = new CatalogueIndex()
  const read = new Map<string, number>()
  const waiters = new Set<Waiter>()
  const behind = new Set<string>([ITEMS_TOPIC, USERS_TOPIC])
  const readiness = Promise.withResolvers<void>()
  readiness.promise.catch(() => undefined)
  let unreadable = 0

  async function apply(batch: LogBatch): Promise<void> {
    const place = `${batch.topic}/${batch.partition}`
    const known = read.get(place) ?? 0
    const records = batch.records.filter(({ offset }) => offset >= known)
    await parts.codecs.prepare(records.map(({ value }) => value))
    for (const record of records) {
      if (!applyRecord(index, record, parts.codecs, parts.logger)) unreadable++
    }
    const next = Math.max(known, (batch.records.at(-1)?.offset ?? -1) + 1)
    if (batch.topic === ITEMS_TOPIC) index.setItemsRead(batch.partition, next)
    read.set(place, next)
    for (const waiter of waiters) if (hasRead(read, waiter.missing)) settle(waiters, waiter, true)
  }

  async function follow(topic: string): Promise<void> {
    while (!signal.aborted) {
      try {
        await parts.log.follow({ topic, signal }, { onBatch: apply, onCaughtUp: () => caughtUp(topic) })
      } catch (error) {
        if (signal.aborted) return
        if (!isMillraceError(error)) throw error
        parts.outages.failed(error, 'the catalogue is not followed until it is back')
        await pause(RETRY_DELAY_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  function caughtUp(topic: string): void {
    behind.delete(topic)
    if (behind.size === 0) readiness.resolve()
  }

  const done = Promise.all([follow(ITEMS_TOPIC), follow(USERS_TOPIC)]).then(() => {
    for (const waiter of waiters) settle(waiters, waiter, false)
  })
  done.then(
    () => readiness.reject(new Error('stopped before the catalogue was read')),
    (error) => readiness.reject(error),
  )

  return followedView(index, {
    ready: () => behind.size === 0,
    unreadable: () => unreadable,
    whenReady: readiness.promise,
    done,
    waitUntilRead: (positions, timeoutMs) => waitUntilRead(read, waiters, positions, timeoutMs),
  })
}

function followedView(
  index: CatalogueIndex,
  state: {
    ready(): boolean
    unreadable(): number
  } & Pick<FollowedCatalogue, 'whenReady' | 'done' | 'waitUntilRead'>,
): FollowedCatalogue {
  return {
    get revision() {
      return index.revision
    },
    get itemCount() {
      return index.itemCount
    },
    get ready() {
      return state.ready()
    },
    get unreadable() {
      return state.unreadable()
    },
    item: (itemId) => index.item(itemId),
    isWithdrawn: (itemId) => index.isWithdrawn(itemId),
    withdrawn: () => index.withdrawn(),
    user: (userId) => index.user(userId),
    userRevision: (userId) => index.userRevision(userId),
    items: () => index.items(),
    members: (category) => index.members(category),
    categories: () => index.categories(),
    whenReady: state.whenReady,
    done: state.done,
    waitUntilRead: state.waitUntilRead,
  }
}

function applyRecord(index: CatalogueIndex, record: LogRecord, codecs: Codecs, logger: Logger): boolean {
  const { key, value, topic, partition, offset } = record
  try {
    if (key === null) throw new Error('the record has no key')
    if (topic === ITEMS_TOPIC) {
      const item = value === null ? null : codecs.item.decode(value)
      if (item && item.itemId !== key) throw new Error(`the key is "${key}", the item "${item.itemId}"`)
      index.putItem(key, item)
    } else {
      const user = value === null ? null : codecs.user.decode(value)
      if (user && user.userId !== key) throw new Error('the key is not the user id')
      index.putUser(key, user, `${partition}:${offset}`)
    }
    return true
  } catch (error) {
    logger.warn({ topic, partition, offset }, `catalogue record left out: ${(error as Error).message}`)
    return false
  }
}

function waitUntilRead(
  read: ReadonlyMap<string, number>,
  waiters: Set<Waiter>,
  positions: readonly Position[],
  timeoutMs: number,
): Promise<boolean> {
  const missing = new Map<string, number>()
  for (const { topic, partition, offset } of positions) {
    const place = `${topic}/${partition}`
    missing.set(place, Math.max(offset + 1, missing.get(place) ?? 0))
  }
  if (hasRead(read, missing)) return Promise.resolve(true)
  if (waiters.size >= WAITERS_MAX) return Promise.resolve(false)
  return new Promise((resolve) => {
    const waiter: Waiter = { missing, resolve, timer: setTimeout(() => settle(waiters, waiter, false), timeoutMs) }
    waiters.add(waiter)
  })
}

function hasRead(read: ReadonlyMap<string, number>, wanted: ReadonlyMap<string, number>): boolean {
  for (const [place, next] of wanted) if ((read.get(place) ?? 0) < next) return false
  return true
}

function settle(waiters: Set<Waiter>, waiter: Waiter, seen: boolean): void {
  waiters.delete(waiter)
  clearTimeout(waiter.timer)
  waiter.resolve(seen)
}
