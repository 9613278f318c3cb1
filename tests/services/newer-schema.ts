import { readFile } from 'node:fs/promises'
import kafkajs from 'kafkajs'
import { createAvroCodec } from '../../streams/codec/avro-codec.ts'
import { openConfluentRegistry } from '../../streams/codec/confluent-registry.ts'
import { parseKafkaUrl } from '../../streams/event-log/kafka/address.ts'
import { TOPICS } from '../../streams/topics.ts'

export type Fields = { name: string; type: unknown; default?: unknown }[]

/** The schema of interactions with other fields. */
export async function interactionSchema(change: (fields: Fields) => Fields): Promise<string> {
  const text = await readFile(new URL('../../schemas/avro/interaction.avsc', import.meta.url), 'utf8')
  const schema = JSON.parse(text) as { fields: Fields }
  return JSON.stringify({ ...schema, fields: change(schema.fields) })
}

/** A compatible version after ours: one field gone, one new. */
export function newerSchema(): Promise<string> {
  return interactionSchema((fields) => [
    ...fields.filter(({ name }) => name !== 'requestId'),
    { name: 'device', type: ['null', 'string'], default: null },
  ])
}

/** Registers the newer version and produces events with it, straight to the topic, as an application deployed before us. */
export async function produceWithNewerSchema(
  settings: Readonly<Record<string, string>>,
  events: readonly { readonly userId: string; readonly eventId: string; readonly itemId: string }[],
): Promise<void> {
  const schemaText = await newerSchema()
  const registry = openConfluentRegistry(settings.SCHEMA_REGISTRY_URL ?? '')
  const schemaId = await registry.register(`${TOPICS.interactions}-value`, schemaText)
  const parts = { name: 'interaction', schemaText, schemaId, writerSchemas: new Map(), problemOf: () => null }
  const codec = createAvroCodec<Record<string, unknown>>(parts)
  const rest = { operation: 'assert', type: 'view', timestamp: Date.UTC(2026, 0, 2), value: null, context: null }
  const brokers = [...parseKafkaUrl(settings.LOG_URL ?? '').brokers]
  const producer = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const messages = events.map((event) => ({
    key: event.userId,
    value: Buffer.from(codec.encode({ ...rest, ...event, device: 'phone' })),
  }))
  await producer.send({ topic: TOPICS.interactions, messages })
  await producer.disconnect()
}
