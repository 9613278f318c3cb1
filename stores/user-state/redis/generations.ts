import { MillraceError } from '../../../schemas/errors.ts'
import type { RedisConnection } from './connection.ts'
import { type Follower, millisecondsOf } from './follower.ts'
import { type Keys, SHARDS } from './keys.ts'
import type { Scripts } from './scripts.ts'

/** How often a call follows a generation that keeps changing under it. */
const TRIES_MAX = 5

/**
 * The content of the server as a whole: emptied by `clear` or by a flush, it gets another number, and what was read
 * under the old one cannot be written any more. Shards join a generation one by one, as they are used.
 */
export class Generations {
  private readonly connection: RedisConnection
  private readonly follower: Follower
  private readonly keys: Keys
  private readonly scripts: Scripts

  constructor(connection: RedisConnection, follower: Follower, keys: Keys, scripts: Scripts) {
    this.connection = connection
    this.follower = follower
    this.keys = keys
    this.scripts = scripts
  }

  /** As last heard, which may be a moment old. */
  async recent(): Promise<number> {
    return this.follower.generation ?? this.current()
  }

  /** Asked of the server; begins one where there is none. */
  async current(): Promise<number> {
    const text = await this.connection.send(['GET', this.keys.generation])
    const generation = text === null ? (await this.begin('none')).generation : Number(text)
    this.follower.learn(generation)
    return generation
  }

  /** Empties everything, or only while `expected` holds; null where it did not. */
  async beginAnew(expected: number | undefined): Promise<number | null> {
    const { generation, isNew } = await this.begin(expected === undefined ? 'any' : String(expected))
    this.follower.learn(generation)
    if (!isNew) return null
    const shards = Array.from({ length: SHARDS }, (_, shard) => shard)
    await Promise.all(
      shards.map(async (shard) => {
        const held = await this.connection.send(['HGET', this.keys.shard(shard), 'generation'])
        if (held !== String(generation)) await this.adopt(shard, String(held ?? ''), generation)
      }),
    )
    return generation
  }

  /**
   * Runs `attempt` until its generation is the one that holds; it returns another generation ('' for none) instead of
   * a result where it is not. With `expected` there is one generation only.
   * @throws MillraceError STATE_UNAVAILABLE when `expected` is over.
   */
  async during<T>(
    expected: number | undefined,
    shard: number | null,
    attempt: (generation: number) => Promise<T | { otherGeneration: string }>,
  ): Promise<T> {
    let generation = expected ?? (await this.recent())
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const result = await attempt(generation)
      if (!isOther(result)) return result
      const holding = await this.current()
      if (expected !== undefined && holding !== expected) throw isOver(expected, holding)
      generation = holding
      if (shard !== null) await this.adopt(shard, result.otherGeneration, generation)
    }
    throw new MillraceError('STATE_UNAVAILABLE', `user state was emptied ${TRIES_MAX} times during one call; try again`)
  }

  private async begin(condition: string): Promise<{ generation: number; isNew: boolean }> {
    const ms = millisecondsOf(await this.connection.send(['TIME']))
    const keys = [this.keys.generation, this.keys.applied]
    const [generation, isNew] = (await this.connection.run(this.scripts.begin, keys, [ms, condition])) as [
      string,
      number,
    ]
    return { generation: Number(generation), isNew: isNew === 1 }
  }

  private async adopt(shard: number, held: string, generation: number): Promise<void> {
    const keys = [this.keys.shard(shard), this.keys.users(shard, held)]
    await this.connection.run(this.scripts.adopt, keys, [held, String(generation)])
  }
}

function isOther(result: unknown): result is { otherGeneration: string } {
  return typeof result === 'object' && result !== null && 'otherGeneration' in result
}

function isOver(expected: number, holding: number): MillraceError {
  const what = `user state was emptied: generation ${expected} is over, ${holding} has begun`
  return new MillraceError('STATE_UNAVAILABLE', `${what}; it is rebuilt at the next assignment`)
}
