import { MillraceError } from '../../../schemas/errors.ts'
import { AppliedWaiters } from '../applied-waiters.ts'
import type { RedisAddress } from './address.ts'
import { appliedOf } from './applied-fields.ts'
import { openConnection, type RedisConnection } from './connection.ts'
import { type Keys, userOfLists } from './keys.ts'
import type { LocalLists } from './local-lists.ts'
import type { Scripts } from './scripts.ts'

/** While lists are served or reads wait, the server is heard at least this often. */
const BEAT_MS = 20
/** A server not heard for so long may have told us of changes that we do not know: local lists are not served. */
const HEARD_MAX_MS = 100
/** Beats go on for so many after the last need. */
const IDLE_BEATS = 100

export interface FollowerParts {
  readonly address: RedisAddress
  readonly keys: Keys
  readonly scripts: Scripts
  readonly lists: LocalLists
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly warn: (message: string) => void
}

/**
 * Follows the server over one connection on which it reports every change of what was read there (RESP3 client
 * tracking): the generation, and the lists that this process holds. What is applied comes as messages of whoever sets it,
 * on the same connection. Reports, messages and replies come in the order of the changes themselves; so a process that
 * has heard of an applied offset has dropped every list that a swap before it has outdated. With the connection goes
 * everything known over it.
 */
export class Follower {
  private readonly parts: FollowerParts
  private readonly applied = new Map<string, number>()
  private readonly waiters = new AppliedWaiters(this.applied)
  private connection: RedisConnection | null = null
  private known: number | null = null
  /** What was told since the read under way was sent; null while none is. */
  private told: string[] | null = null
  /** Goes up whenever the generation may have changed. */
  private epoch = 0
  private reading: Promise<void> | null = null
  private heardAt = Number.NEGATIVE_INFINITY
  private waiting = 0
  private beat: NodeJS.Timeout | null = null
  private beatsLeft = 0
  private closed = false

  constructor(parts: FollowerParts) {
    this.parts = parts
  }

  async open(): Promise<void> {
    this.connection = await openConnection(this.parts.address, {
      onInvalidate: (key) => this.invalidate(key),
      channel: { name: this.parts.keys.applied, onMessage: (message) => this.hear(message) },
      onLost: () => this.forget(),
      onRestored: () => this.follow(),
      warn: this.parts.warn,
    })
    await this.refresh()
  }

  /** The generation as last heard; null where it must be asked for. */
  get generation(): number | null {
    return this.known
  }

  /** One that was read or begun elsewhere. */
  learn(generation: number): void {
    if (!this.connection?.ready || (this.known !== null && generation <= this.known)) return
    this.known = generation
    this.applied.clear()
    this.parts.lists.clear()
    this.follow()
  }

  /** true while what is held here can be no older than HEARD_MAX_MS. */
  isCurrent(): boolean {
    this.keepBeating()
    return this.known !== null && Math.abs(this.parts.now() - this.heardAt) <= HEARD_MAX_MS
  }

  /** Sends on the followed connection: what is read here is followed. */
  async send(args: readonly string[]): Promise<unknown> {
    if (this.connection === null) throw new MillraceError('STATE_UNAVAILABLE', 'user state is being opened')
    const reply = await this.connection.send(args)
    this.heardAt = this.parts.now()
    return reply
  }

  /** @throws MillraceError STATE_UNAVAILABLE when the server is away as the wait begins. */
  async wait(
    target: ReadonlyMap<string, number>,
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<boolean> {
    if (!this.connection?.ready) await this.send(['PING'])
    this.waiting++
    this.keepBeating()
    if (this.known === null) this.follow()
    try {
      return await this.waiters.wait(target, options)
    } finally {
      this.waiting--
    }
  }

  async close(): Promise<void> {
    this.closed = true
    if (this.beat !== null) clearInterval(this.beat)
    this.waiters.close()
    await this.connection?.close()
    this.parts.lists.clear()
  }

  private invalidate(key: string | null): void {
    const { keys, lists } = this.parts
    const userId = key === null ? null : userOfLists(key)
    if (userId !== null) {
      lists.outdate(userId)
      return
    }
    if (key !== null && key !== keys.generation) return
    this.forget()
    this.follow()
  }

  /** The reply of a read under way may be from before the message, or after it. */
  private hear(message: string): void {
    this.told?.push(message)
    this.takeMessage(message)
  }

  private forget(): void {
    this.parts.lists.clear()
    this.applied.clear()
    this.known = null
    this.epoch++
    this.heardAt = Number.NEGATIVE_INFINITY
  }

  /** A failure is left to the connection, which reports its loss and comes back to `onRestored`. */
  private follow(): void {
    this.refresh().catch(() => {})
  }

  private refresh(): Promise<void> {
    this.reading ??= this.readAll().finally(() => {
      this.reading = null
    })
    return this.reading
  }

  private async readAll(): Promise<void> {
    const { keys, lists } = this.parts
    for (;;) {
      const { epoch } = this
      this.told = []
      const [text, fields] = await Promise.all([
        this.send(['GET', keys.generation]),
        this.send(['HGETALL', keys.applied]),
      ]).catch((error: unknown) => {
        this.told = null
        throw error
      })
      const { told } = this
      this.told = null
      if (text === null) await this.begin()
      if (text === null || epoch !== this.epoch) continue
      if (this.known !== Number(text)) lists.clear()
      this.known = Number(text)
      this.take(appliedOf(fields as Record<string, string>))
      for (const message of told) this.takeMessage(message)
      return
    }
  }

  /** A server without a generation is new, or was flushed. */
  private async begin(): Promise<void> {
    const { keys, scripts } = this.parts
    const ms = millisecondsOf(await this.send(['TIME']))
    await this.connection?.run(scripts.begin, [keys.generation, keys.applied], [ms, 'none'])
  }

  private take(next: ReadonlyMap<string, number>): void {
    for (const partition of [...this.applied.keys()]) if (!next.has(partition)) this.applied.delete(partition)
    this.set(next)
  }

  /** One of another generation is answered by the report of its end. */
  private takeMessage(message: string): void {
    const [generation, ...words] = message.split(' ')
    if (this.known !== Number(generation)) return
    const fields: Record<string, string> = {}
    for (let at = 0; at + 1 < words.length; at += 2) fields[words[at] as string] = words[at + 1] as string
    this.set(appliedOf(fields))
  }

  private set(offsets: ReadonlyMap<string, number>): void {
    const changed: string[] = []
    for (const [partition, offset] of offsets) {
      if (this.applied.get(partition) === offset) continue
      this.applied.set(partition, offset)
      changed.push(partition)
    }
    this.waiters.wake(changed)
  }

  private keepBeating(): void {
    this.beatsLeft = IDLE_BEATS
    if (this.beat !== null || this.closed) return
    this.beat = setInterval(() => {
      if (this.waiting === 0 && --this.beatsLeft <= 0) {
        if (this.beat !== null) clearInterval(this.beat)
        this.beat = null
      } else if (this.connection?.ready) this.follow()
    }, BEAT_MS)
    this.beat.unref()
  }
}

/** The server's TIME in milliseconds. */
export function millisecondsOf(time: unknown): string {
  const [seconds = '0', microseconds = '0'] = time as [string, string]
  return String(Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000))
}
