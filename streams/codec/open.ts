import { readFile } from 'node:fs/promises'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Item, User } from '../../schemas/catalogue.ts'
import type { Interaction } from '../../schemas/interaction.ts'
import { TOPICS } from '../topics.ts'
import { createAvroCodec, schemaIdOf } from './avro-codec.ts'
import { openEmbeddedRegistry } from './embedded-registry.ts'
import type { Codecs, SchemaRegistry, TrainingRequest } from './port.ts'

/**
 * Opens the codecs. With an empty `registryUrl` the schemas of schemas/avro have their ids in `folder` (the log's),
 * or in memory when that is null; otherwise in the Confluent-compatible registry there. Registering is part of opening.
 * @throws MillraceError CONFIG_INVALID for an unusable URL or refused credentials, CONFLICT with the registry's reason for
 * a schema that is not backward compatible, LOG_UNAVAILABLE when the registry does not answer.
 */
export async function openCodecs(options: { registryUrl: string; folder: string | null }): Promise<Codecs> {
  if (options.registryUrl !== '') {
    const { openConfluentRegistry } = await import('./confluent-registry.ts')
    return createCodecs(openConfluentRegistry(options.registryUrl))
  }
  return createCodecs(await openEmbeddedRegistry(options.folder))
}

/** The codecs over any registry; `now` in milliseconds. */
export async function createCodecs(
  registry: SchemaRegistry,
  now: () => number = () => performance.now(),
): Promise<Codecs> {
  const writerSchemas = new Map<number, string>()
  /** When ids that the registry does not have were asked for. */
  const missing = new Map<number, number>()

  async function codec<T>(name: string, topic: string, problemOf: (value: T) => string | null) {
    const schemaText = await readFile(new URL(`../../schemas/avro/${name}.avsc`, import.meta.url), 'utf8')
    const canonicalText = JSON.stringify(JSON.parse(schemaText))
    const schemaId = await registry.register(`${topic}-value`, canonicalText)
    return createAvroCodec<T>({ name: name.replace('-', ' '), schemaText, schemaId, writerSchemas, problemOf })
  }

  return {
    interaction: await codec<Interaction>('interaction', TOPICS.interactions, () => null),
    item: await codec<Item>('item', TOPICS.items, checkerOf(Item)),
    user: await codec<User>('user', TOPICS.users, checkerOf(User)),
    trainingRequest: await codec<TrainingRequest>('training-request', TOPICS.training, ({ runId }) =>
      runId === '' ? 'has an empty runId' : null,
    ),
    async prepare(values) {
      for (const value of values) {
        const id = value === null ? null : schemaIdOf(value)
        if (id === null || writerSchemas.has(id) || now() - (missing.get(id) ?? -Infinity) < MISSING_MS) continue
        const schemaText = await registry.schema(id)
        missing.delete(id)
        if (schemaText !== null) writerSchemas.set(id, schemaText)
        else if (missing.size < MISSING_IDS_MAX) missing.set(id, now())
      }
    },
  }
}

/** Remembered so that poison does not ask the registry again and again, but not for ever: it may be mended. */
const MISSING_MS = 30_000
const MISSING_IDS_MAX = 10_000

function checkerOf<T>(schema: TSchema): (value: T) => string | null {
  const validator = Compile(schema)
  return (value) => {
    if (validator.Check(value)) return null
    const [first] = validator.Errors(value)
    return `has an unusable field ${first?.instancePath.slice(1) || 'value'}: ${first?.message ?? 'it does not match its schema'}`
  }
}
