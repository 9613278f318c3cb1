import type { UserRecord } from '../../schemas/user-record.ts'

export interface Swap {
  readonly userId: string
  /** The revision `next` was computed from; 0 for a user that did not exist. */
  readonly expectedRevision: number
  /** `next.revision` is expectedRevision + 1. */
  readonly next: UserRecord
}

/** The longest list for a user and scenario, with the three versions it was computed from. */
export interface CachedList {
  readonly userRevision: number
  /** The id of a serving model. */
  readonly modelVersion: string | null
  readonly catalogueRevision: string
  /** What the edge serialised; opaque here. */
  readonly body: string
}

/**
 * Refuses the call where a partition's applied offset has fallen below this one: the state has lost its newest writes, and
 * what is built on the rest would hide that.
 */
export interface OfApplied {
  readonly atLeast?: ReadonlyMap<string, number>
}

/** For writes: refuses them once the state is no longer the one that the caller has read. */
export interface OfGeneration {
  /** What `generation` returned before the reading began. */
  readonly generation?: number
}

/**
 * Newest state per user, and the lists computed from it.
 *
 * Guarantees: `swap` is an atomic compare-and-set per user: it takes effect only while the stored revision equals
 * `expectedRevision`; results come in input order; nothing is merged across users. `get` of an unknown user is null,
 * never zeros. A reader that sees `applied` at or past an offset sees every swap made before it was set. `putList`
 * stores only while the user's revision is still the entry's, so a list computed before an event can never be cached
 * after it; `getList` returns only an entry whose user revision, model version and catalogue revision are all current.
 * Lists are bounded in number and age and may vanish at any time; users never do. Everything but lists survives a
 * crash; after a power loss users and `applied` fall back together. Safe to call concurrently; dispose is idempotent.
 * The whole state has a generation, which changes when it is emptied, by `clear` or by anyone else; a write that names
 * another one changes nothing and throws STATE_UNAVAILABLE. So what was read before cannot be written after, although
 * revisions begin at 1 again.
 * Not guaranteed: a snapshot across users.
 * Errors: STATE_UNAVAILABLE (for a server: unreachable, refusing, or emptied meanwhile), OVERLOADED, DISK_FULL, CORRUPT_FILE.
 */
export interface UserState extends AsyncDisposable {
  /** false: records come back without factors, so that solving them before a swap is in vain. */
  readonly keepsFactors: boolean
  get(userId: string, options: { signal: AbortSignal }): Promise<UserRecord | null>
  /** With `atLeast` the records are of a state that has applied so much. @throws MillraceError STATE_UNAVAILABLE else. */
  getMany(
    userIds: readonly string[],
    options: { signal: AbortSignal } & OfApplied,
  ): Promise<readonly (UserRecord | null)[]>
  /** true where the swap took effect, false where the revision had moved on. At most one swap per user in a call. */
  swap(swaps: readonly Swap[], options: { signal: AbortSignal } & OfGeneration): Promise<readonly boolean[]>
  /** Users, and the sum of their `events`. */
  totals(options: { signal: AbortSignal }): Promise<{ users: number; events: number }>

  /** Which content this is: a number that no other content of this state has. */
  generation(options: { signal: AbortSignal }): Promise<number>
  /** Next offset to apply per `topic/partition`; a partition never set is absent. */
  applied(options: { signal: AbortSignal }): Promise<ReadonlyMap<string, number>>
  /**
   * Sets the given partitions; never lowers one unless `allowLower` (a rewind or a rebuild).
   * @throws MillraceError STATE_UNAVAILABLE, changing nothing, when one of them has fallen below `atLeast`.
   */
  setApplied(
    next: ReadonlyMap<string, number>,
    options: { signal: AbortSignal; allowLower?: boolean } & OfGeneration & OfApplied,
  ): Promise<void>
  /** true as soon as `applied` is at or past every entry of `target`; false after `timeoutMs`. */
  waitApplied(
    target: ReadonlyMap<string, number>,
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<boolean>
  /** What the histories were built with (weights, half-life, limits); null before the first `setRecipe`. */
  recipe(options: { signal: AbortSignal }): Promise<string | null>
  setRecipe(recipe: string, options: { signal: AbortSignal } & OfGeneration): Promise<void>
  /**
   * Forgets every user, list, applied position and the recipe, and begins another generation, which it returns. With
   * `generation` only while that one holds; null where someone else has emptied the state already.
   */
  clear(options: { signal: AbortSignal } & OfGeneration): Promise<number | null>

  getList(
    userId: string,
    scenario: string,
    current: { modelVersion: string | null; catalogueRevision: string },
  ): Promise<CachedList | null>
  putList(userId: string, scenario: string, list: CachedList, options: { ttlMs: number }): Promise<boolean>
}
