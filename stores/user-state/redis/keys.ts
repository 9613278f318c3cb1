/** Users are spread over so many hashes; all that a script touches of a user lies in one slot of a cluster. */
export const SHARDS = 64

/**
 * The keys of one deployment. `{…}` is the part that decides a key's slot in a cluster.
 *
 *   {prefix}              the generation: a number that no other content of this server ever had
 *   {prefix}:applied      hash: `partition:NAME` -> next offset, `recipe` -> text
 *   {prefix.N}            hash: `generation` and `events` of shard N
 *   {prefix.N}:G:users    hash: user id -> record, of generation G
 *   {prefix.N}:G:lists:U  hash: scenario -> list of user U; the only keys with a time to live
 *
 * Users are fields of a few large hashes because a field costs 32 bytes less than a key, and so that a whole generation
 * goes with SHARDS keys. A key with an older generation is never read again.
 */
export interface Keys {
  readonly generation: string
  readonly applied: string
  shard(shard: number): string
  users(shard: number, generation: number | string): string
  lists(shard: number, generation: number, userId: string): string
}

export function createKeys(prefix: string): Keys {
  const shards = Array.from({ length: SHARDS }, (_, shard) => `{${prefix}.${shard}}`)
  const shard = (index: number) => shards[index] as string
  return {
    generation: `{${prefix}}`,
    applied: `{${prefix}}:applied`,
    shard,
    users: (index, generation) => `${shard(index)}:${generation}:users`,
    lists: (index, generation, userId) => `${shard(index)}:${generation}:lists:${userId}`,
  }
}

const LISTS = /^\{[^}]*\}:(\d+):lists:(.+)$/s

/** The user whose lists a key holds; null for other keys. */
export function userOfLists(key: string): string | null {
  return LISTS.exec(key)?.[2] ?? null
}

/** FNV-1a. Part of the stored layout: another function would look for users where they are not. */
export function shardOf(userId: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < userId.length; index++) {
    hash = Math.imul(hash ^ userId.charCodeAt(index), 0x01000193)
  }
  return (hash ^ (hash >>> 16)) & (SHARDS - 1)
}

/** Positions of values by the shard of their user. */
export function byShard<T>(values: readonly T[], userIdOf: (value: T) => string): Map<number, number[]> {
  const shards = new Map<number, number[]>()
  values.forEach((value, position) => {
    const shard = shardOf(userIdOf(value))
    const own = shards.get(shard)
    if (own) own.push(position)
    else shards.set(shard, [position])
  })
  return shards
}
