import { fallen } from '../fallen.ts'
import type { OfApplied, OfGeneration } from '../port.ts'
import { appliedOf, PARTITION_FIELD } from './applied-fields.ts'
import type { RedisConnection } from './connection.ts'
import type { Generations } from './generations.ts'
import type { Keys } from './keys.ts'
import type { Scripts } from './scripts.ts'

const RECIPE_FIELD = 'recipe'

/** What stands beside the generation: the applied offsets and the recipe. */
export class Meta {
  private readonly connection: RedisConnection
  private readonly generations: Generations
  private readonly keys: Keys
  private readonly scripts: Scripts

  constructor(connection: RedisConnection, generations: Generations, keys: Keys, scripts: Scripts) {
    this.connection = connection
    this.generations = generations
    this.keys = keys
    this.scripts = scripts
  }

  async applied(): Promise<ReadonlyMap<string, number>> {
    return appliedOf((await this.connection.send(['HGETALL', this.keys.applied])) as Record<string, string>)
  }

  async setApplied(
    next: ReadonlyMap<string, number>,
    { allowLower, atLeast, generation }: { allowLower: boolean } & OfGeneration & OfApplied,
  ): Promise<void> {
    const fields = [...next].flatMap(([partition, offset]) => [
      `${PARTITION_FIELD}${partition}`,
      String(offset),
      String(atLeast?.get(partition) ?? ''),
    ])
    await this.set(allowLower ? 'lower' : 'raise', fields, generation)
  }

  async recipe(): Promise<string | null> {
    return (await this.connection.send(['HGET', this.keys.applied, RECIPE_FIELD])) as string | null
  }

  async setRecipe(recipe: string, generation: number | undefined): Promise<void> {
    await this.set('lower', [RECIPE_FIELD, recipe, ''], generation)
  }

  private async set(mode: 'raise' | 'lower', fields: readonly string[], generation: number | undefined): Promise<void> {
    const { connection, generations, keys, scripts } = this
    await generations.during(generation, null, async (during) => {
      const args = [String(during), mode, ...fields]
      const reply = await connection.run(scripts.setMeta, [keys.generation, keys.applied], args)
      if (Array.isArray(reply)) {
        const [field, found, least] = reply as [string, string, string]
        throw fallen(field.slice(PARTITION_FIELD.length), Number(least), Number(found))
      }
      return typeof reply === 'string' ? { otherGeneration: reply } : null
    })
  }
}
