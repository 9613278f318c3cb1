import { invariant, MillraceError } from '../../../schemas/errors.ts'
import type { UserRecord } from '../../../schemas/user-record.ts'
import { ByteWriter } from '../byte-writer.ts'
import { fallenBelow } from '../fallen.ts'
import type { CachedList, OfApplied, OfGeneration, Swap, UserState } from '../port.ts'
import { parseRedisAddress } from './address.ts'
import { openConnection, type RedisConnection } from './connection.ts'
import { decodeRecord, encodeRecord } from './encoding.ts'
import { Follower } from './follower.ts'
import { Generations } from './generations.ts'
import { byShard, createKeys, type Keys, SHARDS, shardOf } from './keys.ts'
import { LocalLists, type UserLists } from './local-lists.ts'
import { Meta } from './meta.ts'
import { createScripts, type Scripts } from './scripts.ts'
import { checkServer } from './server-check.ts'
import { decodeList, encodeList } from './stored-list.ts'

/** Users in one run of the swap script, which nothing else interrupts: about 1 ms. */
const SWAPS_PER_SCRIPT = 64
/** Scenarios cached for one user, at most. */
const SCENARIOS_MAX = 8

export interface RedisUserStateOptions {
  /** Users whose lists this process keeps beside those in Redis. */
  readonly listEntriesMax: number
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Lines for the log: unfit server settings, a connection lost and found again. */
  readonly warn: (message: string) => void
}

interface Waiting {
  readonly signal: AbortSignal
}
type Guarded = Waiting & OfGeneration

/**
 * User state on a Redis server (6.2 or later), for any number of processes. Lists are kept in Redis and beside it in
 * this process, where the server's reports of changes end them.
 * @throws MillraceError CONFIG_INVALID for a URL that says something else, STATE_UNAVAILABLE for a server that does not
 * answer or refuses the password; both name USER_STATE_URL.
 */
export async function openRedisUserState(url: string, options: RedisUserStateOptions): Promise<RedisUserState> {
  const address = parseRedisAddress(url)
  const keys = createKeys(address.prefix)
  const scripts = createScripts()
  const lists = new LocalLists(options.listEntriesMax)
  const follower = new Follower({ address, keys, scripts, lists, now: options.now, warn: options.warn })
  await using opening = new AsyncDisposableStack()
  const events = { onInvalidate: null, channel: null, onLost: () => {}, onRestored: () => {}, warn: () => {} }
  const connection = await openConnection(address, events)
  opening.defer(() => connection.close())
  opening.defer(() => follower.close())
  await follower.open()
  for (const warning of await checkServer(connection, address.shown)) options.warn(warning)
  const generations = new Generations(connection, follower, keys, scripts)
  const meta = new Meta(connection, generations, keys, scripts)
  const close = opening.move()
  return new RedisUserState({ connection, follower, generations, meta, lists, keys, scripts, close, ...options })
}

interface Parts extends RedisUserStateOptions {
  readonly connection: RedisConnection
  readonly follower: Follower
  readonly generations: Generations
  readonly meta: Meta
  readonly lists: LocalLists
  readonly keys: Keys
  readonly scripts: Scripts
  readonly close: AsyncDisposableStack
}

export class RedisUserState implements UserState {
  readonly keepsFactors = false
  readonly #parts: Parts
  readonly #writer = new ByteWriter()
  /** Writes of this process made after a `clear` come after it. */
  #clearing: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | null = null

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async get(userId: string, options: Waiting): Promise<UserRecord | null> {
    const [record = null] = await this.getMany([userId], options)
    return record
  }

  async getMany(
    userIds: readonly string[],
    { signal, atLeast }: Waiting & OfApplied,
  ): Promise<readonly (UserRecord | null)[]> {
    this.#refuse(signal)
    const { connection, generations, keys } = this.#parts
    const generation = await generations.recent()
    const records: (UserRecord | null)[] = new Array(userIds.length).fill(null)
    const reads = Promise.all(
      [...byShard(userIds, (userId) => userId)].map(async ([shard, positions]) => {
        const fields = positions.map((position) => userIds[position] as string)
        const values = await connection.sendForBytes(['HMGET', keys.users(shard, generation), ...fields])
        ;(values as (Buffer | null)[]).forEach((value, index) => {
          if (value !== null) records[positions[index] as number] = decodeRecord(value)
        })
      }),
    )
    // Asked on the same connection after the records: what they lack, this lacks too.
    const [applied] = await Promise.all([atLeast && this.applied({ signal }), reads])
    const fallen = atLeast && applied && fallenBelow(atLeast, applied)
    if (fallen) throw fallen
    return records
  }

  async swap(swaps: readonly Swap[], { signal, generation }: Guarded): Promise<readonly boolean[]> {
    this.#refuse(signal)
    await this.#clearing
    const records = swaps.map(({ expectedRevision, next }) => {
      invariant(next.revision === expectedRevision + 1, `a swap from ${expectedRevision} leads to ${next.revision}`)
      return encodeRecord(next, this.#writer)
    })
    const results: boolean[] = new Array(swaps.length).fill(false)
    const runs: Promise<void>[] = []
    for (const [shard, positions] of byShard(swaps, ({ userId }) => userId)) {
      for (let start = 0; start < positions.length; start += SWAPS_PER_SCRIPT) {
        const part = positions.slice(start, start + SWAPS_PER_SCRIPT)
        const attempt = (during: number) => this.#swapShard(shard, during, part, swaps, records)
        const run = this.#parts.generations.during(generation, shard, attempt).then((took) => {
          part.forEach((position, index) => {
            results[position] = took[index] === 1
          })
        })
        runs.push(run)
      }
    }
    // The server reports changes on another connection, maybe a moment after the reply.
    await allSettled(runs).finally(() => {
      for (const { userId } of swaps) this.#parts.lists.outdate(userId)
    })
    return results
  }

  async #swapShard(
    shard: number,
    generation: number,
    positions: readonly number[],
    swaps: readonly Swap[],
    records: readonly Buffer[],
  ): Promise<readonly number[] | { otherGeneration: string }> {
    const { connection, keys, scripts } = this.#parts
    const touched = [keys.shard(shard), keys.users(shard, generation)]
    const args: (string | Buffer)[] = [String(generation)]
    for (const position of positions) {
      const { userId, expectedRevision } = swaps[position] as Swap
      touched.push(keys.lists(shard, generation, userId))
      args.push(userId, String(expectedRevision), records[position] as Buffer)
    }
    const reply = await connection.run(scripts.swap, touched, args)
    return typeof reply === 'string' ? { otherGeneration: reply } : (reply as number[])
  }

  async totals({ signal }: Waiting): Promise<{ users: number; events: number }> {
    this.#refuse(signal)
    const { connection, generations, keys } = this.#parts
    const generation = await generations.recent()
    const shards = Array.from({ length: SHARDS }, async (_, shard) => {
      const [fields, users] = await Promise.all([
        connection.send(['HMGET', keys.shard(shard), 'generation', 'events']),
        connection.send(['HLEN', keys.users(shard, generation)]),
      ])
      const [holding, events] = fields as [string | null, string | null]
      return holding === String(generation) ? { users: Number(users), events: Number(events) } : { users: 0, events: 0 }
    })
    const totals = { users: 0, events: 0 }
    for (const { users, events } of await Promise.all(shards)) {
      totals.users += users
      totals.events += events
    }
    return totals
  }

  async generation({ signal }: Waiting): Promise<number> {
    this.#refuse(signal)
    await this.#clearing
    return this.#parts.generations.current()
  }

  async applied({ signal }: Waiting): Promise<ReadonlyMap<string, number>> {
    this.#refuse(signal)
    return this.#parts.meta.applied()
  }

  async setApplied(
    next: ReadonlyMap<string, number>,
    { signal, allowLower = false, ...options }: Guarded & OfApplied & { readonly allowLower?: boolean },
  ): Promise<void> {
    this.#refuse(signal)
    await this.#clearing
    await this.#parts.meta.setApplied(next, { allowLower, ...options })
  }

  async waitApplied(
    target: ReadonlyMap<string, number>,
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<boolean> {
    this.#refuse(options.signal)
    return this.#parts.follower.wait(target, options)
  }

  async recipe({ signal }: Waiting): Promise<string | null> {
    this.#refuse(signal)
    return this.#parts.meta.recipe()
  }

  async setRecipe(recipe: string, { signal, generation }: Guarded): Promise<void> {
    this.#refuse(signal)
    await this.#clearing
    await this.#parts.meta.setRecipe(recipe, generation)
  }

  async clear({ signal, generation }: Guarded): Promise<number | null> {
    this.#refuse(signal)
    const clearing = this.#clearing.then(() => this.#parts.generations.beginAnew(generation))
    this.#clearing = clearing.catch(() => {})
    return clearing
  }

  async getList(
    userId: string,
    scenario: string,
    { modelVersion, catalogueRevision }: { modelVersion: string | null; catalogueRevision: string },
  ): Promise<CachedList | null> {
    this.#refuse()
    const { follower, lists, now } = this.#parts
    let known = follower.isCurrent() ? lists.peek(userId) : null
    if (known) lists.hits++
    else known = await lists.read(userId, () => this.#readLists(userId))
    const stored = known.get(scenario)
    if (stored === undefined || stored.expiresAt <= now()) return null
    const { list } = stored
    return list.modelVersion === modelVersion && list.catalogueRevision === catalogueRevision ? list : null
  }

  async #readLists(userId: string): Promise<UserLists> {
    const { follower, generations, keys } = this.#parts
    const generation = await generations.recent()
    const fields = await follower.send(['HGETALL', keys.lists(shardOf(userId), generation, userId)])
    const lists = new Map<string, NonNullable<ReturnType<typeof decodeList>>>()
    for (const [scenario, text] of Object.entries(fields as Record<string, string>)) {
      const stored = decodeList(text)
      if (stored !== null) lists.set(scenario, stored)
    }
    return lists
  }

  async putList(userId: string, scenario: string, list: CachedList, { ttlMs }: { ttlMs: number }): Promise<boolean> {
    this.#refuse()
    const { connection, generations, keys, lists, scripts, now } = this.#parts
    const generation = await generations.recent()
    const shard = shardOf(userId)
    const touched = [keys.shard(shard), keys.users(shard, generation), keys.lists(shard, generation, userId)]
    const stored = [String(list.userRevision), scenario, encodeList(list, now() + ttlMs)]
    const args = [String(generation), userId, ...stored, String(Math.ceil(ttlMs)), String(SCENARIOS_MAX)]
    const kept = (await connection.run(scripts.putList, touched, args)) === 1
    lists.outdate(userId)
    return kept
  }

  /** Lists served without asking Redis, and reads of Redis for lists, since the opening. */
  get listReads(): { readonly local: number; readonly remote: number } {
    return { local: this.#parts.lists.hits, remote: this.#parts.lists.reads }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#parts.close.disposeAsync()
    return this.#closed
  }

  #refuse(signal?: AbortSignal): void {
    if (this.#closed) throw new MillraceError('STATE_UNAVAILABLE', 'user state in Redis is closed')
    if (signal?.aborted) throw new MillraceError('ABORTED', 'the call to the user state was aborted before it began')
  }
}

/** Like Promise.all, but ends only when all have ended: nothing of a failed call is still under way. */
async function allSettled(runs: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(runs)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
