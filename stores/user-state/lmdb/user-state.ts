import { LRUCache } from 'lru-cache'
import { type EmbeddedFolder, openEmbeddedFolder } from '../../../schemas/embedded-folder.ts'
import { invariant, MillraceError } from '../../../schemas/errors.ts'
import type { UserRecord } from '../../../schemas/user-record.ts'
import { AppliedWaiters } from '../applied-waiters.ts'
import { ByteWriter } from '../byte-writer.ts'
import { decodeUser, decodeUserHead, encodeUser } from '../encoding.ts'
import { fallenBelow } from '../fallen.ts'
import type { CachedList, OfApplied, OfGeneration, Swap, UserState } from '../port.ts'
import { CommitQueue } from './commit-queue.ts'
import { type Environment, openEnvironment } from './environment.ts'
import { ListCache } from './list-cache.ts'

const FORMAT = { kind: 'millrace-user-state', version: 1 }
/** History entries of decoded records kept in memory, at about 100 bytes each. */
const DECODED_ENTRIES_MAX = 250_000

interface Totals {
  readonly users: number
  readonly events: number
}
interface Head {
  readonly revision: number
  readonly events: number
}
interface Waiting {
  readonly signal: AbortSignal
}
type Guarded = Waiting & OfGeneration

/** User state in one LMDB file below `folder`, for the services of one process, which is its only writer. */
export async function openLmdbUserState(
  folder: string,
  options: { listEntriesMax: number; now: () => number },
): Promise<UserState> {
  const owned = await openEmbeddedFolder(folder, FORMAT)
  try {
    return new LmdbUserState(openEnvironment(owned.path), owned, options)
  } catch (error) {
    await owned[Symbol.asyncDispose]()
    throw error
  }
}

class LmdbUserState implements UserState {
  readonly keepsFactors = true
  readonly #environment: Environment
  readonly #folder: EmbeddedFolder
  readonly #lists: ListCache
  readonly #decoded = new LRUCache<string, UserRecord>({
    maxSize: DECODED_ENTRIES_MAX,
    sizeCalculation: (record) => 4 + record.history.length,
  })
  readonly #writer = new ByteWriter()
  readonly #queue: CommitQueue
  readonly #applied: Map<string, number>
  readonly #waiters: AppliedWaiters
  /** What the running transaction has staged and readers do not see yet. */
  readonly #staged = new Map<string, UserRecord>()
  /** Of what readers see; LMDB itself may be a moment ahead of them. */
  #totals: Totals
  #stagedTotals: Totals
  #stagedApplied: Map<string, number>
  #stagedClear = false
  #stagedGeneration: number
  #closed: Promise<void> | null = null

  constructor(
    environment: Environment,
    folder: EmbeddedFolder,
    options: { listEntriesMax: number; now: () => number },
  ) {
    this.#environment = environment
    this.#folder = folder
    this.#lists = new ListCache(options.listEntriesMax, options.now)
    this.#applied = new Map(Object.entries((environment.meta.get('applied') ?? {}) as Record<string, number>))
    this.#stagedApplied = new Map(this.#applied)
    this.#stagedGeneration = this.#storedGeneration()
    this.#totals = this.#storedTotals()
    this.#stagedTotals = this.#totals
    this.#waiters = new AppliedWaiters(this.#applied)
    this.#queue = new CommitQueue(
      (stage) => environment.commit(stage),
      (committed) => this.#settle(committed),
    )
  }

  async get(userId: string, { signal }: Waiting): Promise<UserRecord | null> {
    this.#refuse(signal)
    return this.#read(userId)
  }

  async getMany(
    userIds: readonly string[],
    { signal, atLeast }: Waiting & OfApplied,
  ): Promise<readonly (UserRecord | null)[]> {
    this.#refuse(signal)
    const fallen = atLeast && fallenBelow(atLeast, this.#applied)
    if (fallen) throw fallen
    return userIds.map((userId) => this.#read(userId))
  }

  async swap(swaps: readonly Swap[], { signal, generation }: Guarded): Promise<readonly boolean[]> {
    this.#refuse(signal)
    if (swaps.length === 0) return []
    const encoded = swaps.map(({ expectedRevision, next }) => {
      invariant(next.revision === expectedRevision + 1, `a swap from ${expectedRevision} leads to ${next.revision}`)
      return encodeUser(next, this.#writer)
    })
    const results: boolean[] = new Array(swaps.length).fill(false)
    await this.#writeDuring(generation, () => {
      let { users, events } = this.#stagedTotals
      swaps.forEach(({ userId, expectedRevision, next }, index) => {
        const head = this.#head(userId)
        if (head.revision !== expectedRevision) return
        this.#environment.users.put(userId, encoded[index] as Buffer)
        this.#staged.set(userId, next)
        this.#lists.outdate(userId)
        users += head.revision === 0 ? 1 : 0
        events += next.events - head.events
        results[index] = true
      })
      this.#stagedTotals = { users, events }
      this.#environment.meta.put('totals', this.#stagedTotals)
    })
    return results
  }

  async totals({ signal }: Waiting): Promise<Totals> {
    this.#refuse(signal)
    return this.#totals
  }

  async generation({ signal }: Waiting): Promise<number> {
    this.#refuse(signal)
    return this.#stagedGeneration
  }

  async applied({ signal }: Waiting): Promise<ReadonlyMap<string, number>> {
    this.#refuse(signal)
    return new Map(this.#applied)
  }

  async setApplied(
    next: ReadonlyMap<string, number>,
    { signal, generation, atLeast, allowLower = false }: Guarded & OfApplied & { allowLower?: boolean },
  ): Promise<void> {
    this.#refuse(signal)
    let fallen: MillraceError | null = null
    await this.#writeDuring(generation, () => {
      const least = [...(atLeast ?? [])].filter(([partition]) => next.has(partition))
      fallen = fallenBelow(new Map(least), this.#stagedApplied)
      if (fallen !== null) return
      for (const [partition, offset] of next) {
        if (allowLower || offset > (this.#stagedApplied.get(partition) ?? -1))
          this.#stagedApplied.set(partition, offset)
      }
      this.#environment.meta.put('applied', Object.fromEntries(this.#stagedApplied))
    })
    if (fallen !== null) throw fallen
  }

  async waitApplied(
    target: ReadonlyMap<string, number>,
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<boolean> {
    this.#refuse(options.signal)
    return this.#waiters.wait(target, options)
  }

  async recipe({ signal }: Waiting): Promise<string | null> {
    this.#refuse(signal)
    return (this.#environment.meta.get('recipe') as string | undefined) ?? null
  }

  async setRecipe(recipe: string, { signal, generation }: Guarded): Promise<void> {
    this.#refuse(signal)
    await this.#writeDuring(generation, () => this.#environment.meta.put('recipe', recipe))
  }

  async clear({ signal, generation }: Guarded): Promise<number | null> {
    this.#refuse(signal)
    let begun: number | null = null
    await this.#queue.write(() => {
      if (generation !== undefined && generation !== this.#stagedGeneration) return
      this.#environment.users.clear()
      this.#environment.meta.clear()
      begun = ++this.#stagedGeneration
      this.#environment.meta.put('generation', begun)
      this.#stagedClear = true
      this.#staged.clear()
      this.#stagedApplied.clear()
      this.#stagedTotals = { users: 0, events: 0 }
      this.#lists.clear()
    })
    return begun
  }

  async getList(
    userId: string,
    scenario: string,
    { modelVersion, catalogueRevision }: { modelVersion: string | null; catalogueRevision: string },
  ): Promise<CachedList | null> {
    return this.#lists.get(userId, scenario, modelVersion, catalogueRevision)
  }

  async putList(userId: string, scenario: string, list: CachedList, { ttlMs }: { ttlMs: number }): Promise<boolean> {
    this.#refuse()
    return this.#lists.put(userId, scenario, list, this.#head(userId).revision, ttlMs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#waiters.close()
    await this.#queue.idle()
    await this.#environment.close()
    await this.#folder[Symbol.asyncDispose]()
  }

  /** What is committed; the record is shared, and never changed by anyone. */
  #read(userId: string): UserRecord | null {
    const known = this.#decoded.get(userId)
    if (known) return known
    const bytes = this.#environment.users.getBinary(userId)
    if (bytes === undefined) return null
    const record = decodeUser(bytes)
    this.#decoded.set(userId, record)
    return record
  }

  /** Revision and events with what the running transaction has staged; zeros for an unknown user. */
  #head(userId: string): Head {
    const known = this.#staged.get(userId) ?? (this.#stagedClear ? NOBODY : this.#decoded.peek(userId))
    if (known) return known
    const bytes = this.#environment.users.getBinary(userId)
    return bytes === undefined ? NOBODY : decodeUserHead(bytes)
  }

  /** Stages nothing where the caller has read another generation. */
  async #writeDuring(generation: number | undefined, stage: () => void): Promise<void> {
    let holding = generation
    await this.#queue.write(() => {
      holding = this.#stagedGeneration
      if (generation === undefined || generation === holding) stage()
    })
    if (generation === undefined || generation === holding) return
    const what = `user state was emptied: generation ${generation} is over, ${holding} has begun`
    throw new MillraceError('STATE_UNAVAILABLE', `${what}; it is rebuilt at the next assignment`)
  }

  #storedGeneration(): number {
    return (this.#environment.meta.get('generation') as number | undefined) ?? 0
  }

  #storedTotals(): Totals {
    return (this.#environment.meta.get('totals') as Totals | undefined) ?? { users: 0, events: 0 }
  }

  /** After a transaction: what was staged is now what everyone sees, or was never there. */
  #settle(committed: boolean): void {
    if (this.#stagedClear) this.#decoded.clear()
    for (const [userId, record] of this.#staged) {
      if (committed) this.#decoded.set(userId, record)
      else this.#lists.outdate(userId)
    }
    this.#staged.clear()
    this.#stagedClear = false
    if (!committed) {
      this.#stagedGeneration = this.#storedGeneration()
      this.#stagedTotals = this.#totals
      this.#stagedApplied = new Map(this.#applied)
      return
    }
    this.#totals = this.#stagedTotals
    const changed: string[] = []
    for (const [partition, offset] of this.#stagedApplied) {
      if (this.#applied.get(partition) !== offset) changed.push(partition)
      this.#applied.set(partition, offset)
    }
    for (const partition of [...this.#applied.keys()]) {
      if (!this.#stagedApplied.has(partition)) this.#applied.delete(partition)
    }
    this.#waiters.wake(changed)
  }

  #refuse(signal?: AbortSignal): void {
    if (this.#closed) throw new MillraceError('STATE_UNAVAILABLE', `user state ${this.#environment.file} is closed`)
    if (signal?.aborted) throw new MillraceError('ABORTED', 'the call to the user state was aborted before it began')
  }
}

const NOBODY: Head = { revision: 0, events: 0 }
