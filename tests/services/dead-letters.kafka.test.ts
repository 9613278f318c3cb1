import { randomBytes, randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { createDeadLetters, replayDeadLetters, VALUE_BYTES_HEADER } from '../../streams/dead-letters.ts'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { LogRecord } from '../../streams/event-log/port.ts'
import { TOPICS, topicSpecs } from '../../streams/topics.ts'
import { serviceUrl } from './service-url.ts'

const { signal } = new AbortController()
const reason = { code: 'PAYLOAD_TOO_LARGE' as const, detail: 'the record is too large' }

/** A topic with one record of a foreign producer, and one for its dead letters, as Millrace creates them. */
async function withRecord(value: Buffer, compression: number, bytesMax?: number) {
  await using opening = new AsyncDisposableStack()
  // What we write ourselves is not compressed, so that sizes are what they seem.
  const log = opening.use(await openEventLog(`${serviceUrl('kafka')}?compression=none`, { now: Date.now }))
  const [topic, deadLetters] = [`large-${randomUUID()}`, `large-${randomUUID()}.dlt`]
  const specs = topicSpecs({ PARTITIONS: 1, LOG_RETENTION_HOURS: 1, LOG_RETENTION_BYTES: 2 ** 30 })
  const like = (name: string) => specs.find((spec) => spec.topic === name) ?? expect.fail(`no topic ${name}`)
  await log.ensureTopics(
    [
      { ...like(TOPICS.interactions), topic, ...(bytesMax && { recordBytesMax: bytesMax }) },
      { ...like(TOPICS.deadLetters), topic: deadLetters },
    ],
    { signal },
  )
  const brokers = [serviceUrl('kafka').replace('kafka://', '')]
  const producer = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  await producer.send({ topic, compression, messages: [{ key: 'u1', value }] })
  await producer.disconnect()
  const newest = async (name: string) => {
    const [{ endOffset } = { endOffset: 0 }] = await log.offsets(name, { signal })
    const [record] = await log.read({ topic: name, partition: 0, offset: endOffset - 1 }, 1, { signal })
    return record as LogRecord
  }
  const owned = opening.move()
  return {
    ...{ log, topic, deadLetters, newest },
    replay: () => replayDeadLetters(log, { topic: deadLetters, targets: [topic], recordsMax: 10, signal }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('a record as large as the broker takes becomes a dead letter whole, and comes back whole', async () => {
  const value = randomBytes(1_048_000)
  await using world = await withRecord(value, kafkajs.CompressionTypes.None, 2_000_000)
  const record = await world.newest(world.topic)
  await createDeadLetters(world.log, world.deadLetters).send(record, reason, signal)
  const letter = await world.newest(world.deadLetters)
  expect(value.equals(letter.value ?? Buffer.alloc(0))).toBe(true)
  expect(letter.headers).toMatchObject({ 'kafka_dlt-original-topic': world.topic, 'kafka_dlt-original-offset': '0' })
  expect(await world.replay()).toEqual({ replayed: 1, exhausted: 0, unusable: 0, remaining: 0 })
  const again = await world.newest(world.topic)
  expect([again.offset, value.equals(again.value ?? Buffer.alloc(0))]).toEqual([1, true])
})

test('of a record too large even for the dead letters they keep position, reason and beginning, and a replay has the whole', async () => {
  const value = Buffer.alloc(5_000_000, 'a')
  await using world = await withRecord(value, kafkajs.CompressionTypes.GZIP, 6_000_000)
  const record = await world.newest(world.topic)
  await createDeadLetters(world.log, world.deadLetters).send(record, reason, signal)
  const letter = await world.newest(world.deadLetters)
  expect(letter.value).toHaveLength(65_536)
  expect(letter.headers).toMatchObject({
    ...{ [VALUE_BYTES_HEADER]: '5000000', 'kafka_dlt-exception-fqcn': 'PAYLOAD_TOO_LARGE' },
    ...{ 'kafka_dlt-original-topic': world.topic, 'kafka_dlt-original-offset': '0' },
  })
  expect(await world.replay()).toMatchObject({ replayed: 1, unusable: 0 })
  const again = await world.newest(world.topic)
  expect([again.offset, again.value?.length]).toEqual([1, value.length])
})

test('a letter that its topic no longer takes is counted as unusable, and the replay passes it', async () => {
  await using world = await withRecord(Buffer.alloc(3_000_000, 'a'), kafkajs.CompressionTypes.GZIP)
  const record = await world.newest(world.topic)
  const letters = createDeadLetters(world.log, world.deadLetters)
  await letters.send(record, reason, signal)
  await letters.send({ ...record, value: Buffer.from('small') }, reason, signal)
  expect(await world.replay()).toEqual({ replayed: 1, exhausted: 0, unusable: 1, remaining: 0 })
  expect(Buffer.from((await world.newest(world.topic)).value ?? []).toString()).toBe('small')
})
