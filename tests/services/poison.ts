import kafkajs, { type Message } from 'kafkajs'
import type { Interaction } from '../../schemas/interaction.ts'
import { openCodecs } from '../../streams/codec/open.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import { parseKafkaUrl } from '../../streams/event-log/kafka/address.ts'
import { TOPICS } from '../../streams/topics.ts'

const FIXED_TYPE = 'wish'
const MESSAGES_PER_REQUEST = 200

/** Every kind of record that no consumer can use, and the reason that its dead letter must state. */
export const POISON_KINDS = [
  { kind: 'malformed', code: 'INVALID_EVENT' },
  { kind: 'wrong-schema', code: 'INVALID_EVENT' },
  { kind: 'wrong-key', code: 'INVALID_EVENT' },
  { kind: 'oversized', code: 'PAYLOAD_TOO_LARGE' },
  { kind: 'unknown-type', code: 'UNKNOWN_EVENT_TYPE' },
] as const
type PoisonKind = (typeof POISON_KINDS)[number]['kind']

/** Produces straight to the topic with a foreign client: good events, and each kind of poison evenly among them. */
export async function poisonAmong(options: {
  readonly good: number
  readonly poison: number
  readonly settings: Readonly<Record<string, string>>
}): Promise<{ readonly fixedType: string }> {
  const { good, poison, settings } = options
  const codecs = await openCodecs({ registryUrl: settings.SCHEMA_REGISTRY_URL ?? '', folder: null })
  const total = good + poison
  const messages: Message[] = []
  for (let index = 0, poisoned = 0; index < total; index++) {
    if (index * poison >= poisoned * total && poisoned < poison) {
      const { kind } = POISON_KINDS[poisoned++ % POISON_KINDS.length] as { kind: PoisonKind }
      messages.push(poisonOf(kind, index, codecs))
    } else messages.push(message(codecs, eventOf(index)))
  }
  const kafka = new kafkajs.Kafka({
    brokers: [...parseKafkaUrl(settings.LOG_URL ?? '').brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  for (let start = 0; start < messages.length; start += MESSAGES_PER_REQUEST) {
    await producer.send({ topic: TOPICS.interactions, messages: messages.slice(start, start + MESSAGES_PER_REQUEST) })
  }
  await producer.disconnect()
  return { fixedType: FIXED_TYPE }
}

function poisonOf(kind: PoisonKind, index: number, codecs: Codecs): Message {
  const event = eventOf(index)
  const headers = { kind }
  switch (kind) {
    case 'malformed':
      return { key: event.userId, value: message(codecs, event).value?.subarray(0, 20) ?? null, headers }
    case 'wrong-schema':
      return { key: event.userId, value: Buffer.from(codecs.trainingRequest.encode({ runId: 'r1' })), headers }
    case 'wrong-key':
      return { ...message(codecs, event), key: 'somebody-else', headers }
    case 'oversized':
      return { ...message(codecs, { ...event, context: { note: 'x'.repeat(100_000) } }), headers }
    case 'unknown-type':
      return { ...message(codecs, { ...event, type: FIXED_TYPE }), headers }
  }
}

function message(codecs: Codecs, event: Interaction): { key: string; value: Buffer } {
  return { key: event.userId, value: Buffer.from(codecs.interaction.encode(event)) }
}

function eventOf(index: number): Interaction {
  return {
    ...{ operation: 'assert', eventId: `p${index}`, userId: `poison-${index % 40}`, itemId: `i${index % 100}` },
    ...{ type: 'view', timestamp: Date.UTC(2026, 0, 1) + index, value: null, requestId: null, context: null },
  }
}
