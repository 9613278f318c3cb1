import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createAvroCodec } from '../../streams/codec/avro-codec.ts'
import { openConfluentRegistry } from '../../streams/codec/confluent-registry.ts'
import { createCodecs, openCodecs } from '../../streams/codec/open.ts'
import type { SchemaRegistry } from '../../streams/codec/port.ts'
import { interactionSchema, newerSchema } from './newer-schema.ts'
import { serviceUrl } from './service-url.ts'

const interaction = {
  operation: 'assert' as const,
  eventId: 'e1',
  userId: 'u1',
  itemId: 'i1',
  type: 'view',
  timestamp: 1_700_000_000_000,
  value: 2.5,
  requestId: null,
  context: { page: 'home' },
}

/** The registry with subjects of this case's own. */
function ownRegistry(): SchemaRegistry & { readonly prefix: string } {
  const registry = openConfluentRegistry(serviceUrl('registry'))
  const prefix = `${randomUUID()}-`
  return { prefix, register: (subject, text) => registry.register(prefix + subject, text), schema: registry.schema }
}

async function levelOf(subject: string): Promise<unknown> {
  const answer = await fetch(`${serviceUrl('registry')}/config/${subject}`)
  return ((await answer.json()) as { compatibilityLevel: unknown }).compatibilityLevel
}

describe('codecs over the schema registry', () => {
  test('opening registers every topic under TOPIC-value with backward compatibility, and again gives the same ids', async () => {
    const first = await openCodecs({ registryUrl: serviceUrl('registry'), folder: null })
    const second = await openCodecs({ registryUrl: `${serviceUrl('registry')}/`, folder: null })
    const bytes = first.interaction.encode(interaction)
    expect(second.interaction.encode(interaction)).toEqual(bytes)
    expect({ ...second.interaction.decode(bytes) }).toEqual(interaction)
    for (const topic of ['interactions', 'items', 'users', 'training']) {
      expect(await levelOf(`${topic}-value`)).toBe('BACKWARD')
    }
  })

  test('processes that start together on new subjects all come up, with the same ids', async () => {
    const { prefix } = ownRegistry()
    const text = await interactionSchema((fields) => fields)
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => openConfluentRegistry(serviceUrl('registry')).register(`${prefix}race`, text)),
    )
    expect(new Set(ids).size).toBe(1)
  })

  test('a compatible new version works beside old producers, in both directions', async () => {
    const registry = ownRegistry()
    const old = await createCodecs(registry)
    const newText = await newerSchema()
    const schemaId = await registry.register('interactions-value', newText)
    const fromOld = old.interaction.encode(interaction)
    const oldId = Buffer.from(fromOld).readUInt32BE(1)
    expect(schemaId).not.toBe(oldId)

    const writerSchemas = new Map([[oldId, (await registry.schema(oldId)) ?? '']])
    const problemOf = () => null
    const parts = { name: 'interaction', schemaText: newText, schemaId, writerSchemas, problemOf }
    const next = createAvroCodec<Record<string, unknown>>(parts)
    expect({ ...next.decode(fromOld) }).toMatchObject({
      userId: 'u1',
      value: 2.5,
      context: { page: 'home' },
      device: null,
    })

    const fromNew = next.encode({ ...interaction, device: 'phone' })
    expect(() => old.interaction.decode(fromNew)).toThrow(/schema id/)
    await old.prepare([fromNew])
    expect({ ...old.interaction.decode(fromNew) }).toEqual(interaction)
  })

  test('an incompatible version is refused with the reason of the registry', async () => {
    const registry = ownRegistry()
    await createCodecs(registry)
    const text = await interactionSchema((fields) => [...fields, { name: 'tenant', type: 'string' }])
    const error = await registry.register('interactions-value', text).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/interactions-value with 409: .*tenant/is),
    })
    expect(await levelOf(`${registry.prefix}interactions-value`)).toBe('BACKWARD')
  })

  test('a subject that was left open to anything is held to backward compatibility', async () => {
    const registry = ownRegistry()
    await createCodecs(registry)
    const subject = `${registry.prefix}interactions-value`
    const loosened = await fetch(`${serviceUrl('registry')}/config/${subject}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ compatibility: 'NONE' }),
    })
    expect(loosened.ok).toBe(true)
    const text = await interactionSchema((fields) => [...fields, { name: 'tenant', type: 'string' }])
    await expect(registry.register('interactions-value', text)).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('a value with an id that the registry does not have stays unreadable, and prepare says nothing', async () => {
    const codecs = await createCodecs(ownRegistry())
    const poison = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3])
    await codecs.prepare([poison, null, Buffer.from('plain text')])
    expect(() => codecs.interaction.decode(poison)).toThrow(/2147483647, which the registry does not have/)
  })

  test.each([
    ['http://127.0.0.1:9/apis/ccompat/v7', 'LOG_UNAVAILABLE', /SCHEMA_REGISTRY_URL/],
    ['registry:8081', 'CONFIG_INVALID', /SCHEMA_REGISTRY_URL/],
    ['no url', 'CONFIG_INVALID', /SCHEMA_REGISTRY_URL/],
  ])('%s is %s and names the setting', async (registryUrl, code, message) => {
    const opening = openCodecs({ registryUrl, folder: null })
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })
})
