import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { describe, expect, test } from 'vitest'
import { Item, User } from '../../schemas/catalogue.ts'
import { Interaction, OPERATIONS, TIMESTAMP_MAGNITUDE_MAX } from '../../schemas/interaction.ts'
import { openEmbeddedRegistry } from '../../streams/codec/embedded-registry.ts'
import { createCodecs, openCodecs } from '../../streams/codec/open.ts'
import type { Codec } from '../../streams/codec/port.ts'

const id = fc.stringMatching(/^[\x21-\x7e]{1,128}$/)
const name = fc.stringMatching(/^[\x21-\x7e]{1,64}$/).filter((text) => text !== '__proto__')
const categories = fc.array(fc.string({ minLength: 1, maxLength: 128 }), { maxLength: 32 })
const attributes = fc.dictionary(name, fc.string({ maxLength: 1_024 }), { maxKeys: 64, noNullPrototype: true })
const interaction = fc.record({
  operation: fc.constantFrom(...OPERATIONS),
  eventId: fc.option(id),
  userId: id,
  itemId: id,
  type: fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/),
  timestamp: fc.integer({ min: -TIMESTAMP_MAGNITUDE_MAX, max: TIMESTAMP_MAGNITUDE_MAX }),
  value: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  requestId: fc.option(id),
  context: fc.option(fc.dictionary(name, fc.string({ maxLength: 256 }), { maxKeys: 32, noNullPrototype: true })),
})
const item = fc.record({
  itemId: id,
  title: fc.option(fc.string({ maxLength: 512 })),
  categories,
  attributes,
  withdrawn: fc.boolean(),
})
const user = fc.record({ userId: id, categories, attributes })

async function avroFields(schemaName: string): Promise<{ name: string; type: unknown; default?: unknown }[]> {
  const text = await readFile(new URL(`../../schemas/avro/${schemaName}.avsc`, import.meta.url), 'utf8')
  return (JSON.parse(text) as { fields: { name: string; type: unknown; default?: unknown }[] }).fields
}

describe('Avro and TypeBox agree', async () => {
  const codecs = await openCodecs({ registryUrl: '', folder: null })
  const kinds: [string, TSchema, fc.Arbitrary<unknown>, Codec<unknown>][] = [
    ['interaction', Interaction, interaction, codecs.interaction as Codec<unknown>],
    ['item', Item, item, codecs.item as Codec<unknown>],
    ['user', User, user, codecs.user as Codec<unknown>],
  ]

  test.each(kinds)(
    'every valid %s survives the log unchanged and is valid afterwards',
    (_name, schema, values, codec) => {
      fc.assert(
        fc.property(values, (value) => {
          expect(Value.Check(schema, value)).toBe(true)
          const bytes = codec.encode(value)
          expect(bytes[0]).toBe(0)
          const decoded = codec.decode(bytes)
          expect(Value.Check(schema, decoded)).toBe(true)
          expect({ ...(decoded as object) }).toEqual(value)
        }),
        { numRuns: 200 },
      )
    },
  )

  test.each(kinds)(
    'the fields of an %s are the same in both, and null in the same ones',
    async (schemaName, schema) => {
      const fields = await avroFields(schemaName)
      const { properties } = schema as unknown as { properties: Record<string, TSchema> }
      expect(fields.map((field) => field.name).sort()).toEqual(Object.keys(properties).sort())
      for (const field of fields) {
        const isNullable = Array.isArray(field.type) && field.type.includes('null')
        expect({ [field.name]: Value.Check(properties[field.name] as TSchema, null) }).toEqual({
          [field.name]: isNullable,
        })
      }
    },
  )

  test('bytes that are no value are INVALID_EVENT, whatever they are', () => {
    const valid = codecs.item.encode({ itemId: 'i', title: null, categories: ['c'], attributes: {}, withdrawn: false })
    const notFit = codecs.item.encode({
      itemId: 'has space',
      title: null,
      categories: [],
      attributes: {},
      withdrawn: false,
    })
    const unknownId = Buffer.from(valid)
    unknownId.writeUInt32BE(4_000_000, 1)
    const otherKind = codecs.user.encode({ userId: 'u', categories: [], attributes: {} })
    const long = Buffer.concat([valid, Buffer.from([1])])
    for (const bytes of [
      valid.subarray(0, 4),
      valid.subarray(0, 7),
      Buffer.from('{}xxxx'),
      unknownId,
      otherKind,
      long,
      notFit,
    ]) {
      expect(() => codecs.item.decode(bytes)).toThrow(expect.objectContaining({ code: 'INVALID_EVENT' }))
    }
    expect(() => codecs.item.decode(unknownId)).toThrow(/schema id 4000000/)
    expect(() => codecs.item.decode(notFit)).toThrow(/itemId/)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (body) => {
        try {
          codecs.interaction.decode(Buffer.concat([valid.subarray(0, 5), body]))
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_EVENT' })
        }
      }),
    )
  })

  test('a registry address that this version cannot use is CONFIG_INVALID', async () => {
    const opening = openCodecs({ registryUrl: 'registry:8081', folder: null })
    await expect(opening).rejects.toMatchObject({ code: 'CONFIG_INVALID', field: 'SCHEMA_REGISTRY_URL' })
  })
})

describe('the schema registry in a folder', () => {
  async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-schemas-'))
    try {
      await work(folder)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  test('ids stay the same after a restart', () =>
    inFolder(async (folder) => {
      const value = { userId: 'u', categories: ['c'], attributes: { a: 'b' } }
      const first = (await openCodecs({ registryUrl: '', folder })).user.encode(value)
      const registry = await openEmbeddedRegistry(folder)
      expect(await registry.register('other-value', '{"type":"string"}')).toBe(5)
      const again = await openCodecs({ registryUrl: '', folder })
      expect([...again.user.encode(value)]).toEqual([...first])
      expect({ ...again.user.decode(first) }).toEqual(value)
    }))

  test('a value of an older schema is read with the defaults of the newer one', async () => {
    const registry = await openEmbeddedRegistry(null)
    const fields = (await avroFields('user')).filter((field) => field.name === 'userId')
    const older = JSON.stringify({ type: 'record', name: 'User', namespace: 'millrace', fields })
    const id = await registry.register('users-value', older)
    const codecs = await createCodecs(registry)
    const bytes = Buffer.from([0, 0, 0, 0, id, 2, 'u'.charCodeAt(0)])
    await codecs.prepare([null, bytes, Buffer.from('x')])
    expect({ ...codecs.user.decode(bytes) }).toEqual({ userId: 'u', categories: [], attributes: {} })
  })

  test('a schema id that the registry lacks is asked for again after a while, and no sooner', async () => {
    const registry = await openEmbeddedRegistry(null)
    let [asked, now] = [0, 0]
    const schema = (id: number) => {
      asked++
      return registry.schema(id)
    }
    const codecs = await createCodecs({ register: registry.register, schema }, () => now)
    const fields = (await avroFields('user')).filter((field) => field.name === 'userId')
    const next = (await registry.register('other-value', '"string"')) + 1
    const bytes = Buffer.from([0, 0, 0, 0, next, 2, 'u'.charCodeAt(0)])
    await codecs.prepare([bytes, bytes])
    expect(asked).toBe(1)
    expect(() => codecs.user.decode(bytes)).toThrow(`schema id ${next}, which the registry does not have`)
    const later = JSON.stringify({ type: 'record', name: 'User', namespace: 'millrace', fields })
    expect(await registry.register('users-value', later)).toBe(next)
    now += 29_000
    await codecs.prepare([bytes])
    expect(asked).toBe(1)
    now += 1_000
    await codecs.prepare([bytes, bytes])
    expect(asked).toBe(2)
    expect(codecs.user.decode(bytes).userId).toBe('u')
  })

  test('a damaged registry file is CORRUPT_FILE and names the file', () =>
    inFolder(async (folder) => {
      const file = join(folder, 'schemas.json')
      await writeFile(file, '{"version":1,"schemas":[{"id":"x"}]}')
      await expect(openCodecs({ registryUrl: '', folder })).rejects.toMatchObject({ code: 'CORRUPT_FILE', field: file })
    }))
})
