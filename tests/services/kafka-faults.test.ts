import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CERTIFICATE_FILE, SASL_USER } from '../../services/provision/definitions/kafka.ts'
import { consumeReliably } from '../../streams/consume.ts'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { AppendRecord, EventLog } from '../../streams/event-log/port.ts'
import { never, openWithTopic, records, textOf, until } from './kafka-records.ts'
import { type PrivateServices, startPrivateServices } from './private-services.ts'

let services: PrivateServices
beforeAll(async () => {
  services = await startPrivateServices(['kafka'])
}, 180_000)
afterAll(() => services[Symbol.asyncDispose]())

const url = () => `${services.url('kafka')}?sessionTimeoutMs=6000`
const brokers = () => [services.url('kafka').replace('kafka://', '')]

/** Appends until it is acknowledged, as a client that retries would. */
async function insist(log: EventLog, topic: string, batch: readonly AppendRecord[]): Promise<void> {
  await until('an acknowledgement', () =>
    log.append(topic, batch, { signal: never }).then(
      () => true,
      () => false,
    ),
  )
}

describe('Kafka away', () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  beforeAll(() => void process.on('warning', onWarning))
  afterAll(() => void process.off('warning', onWarning))

  test('appends are refused as LOG_UNAVAILABLE in seconds; readers and the group go on by themselves once it is back', async () => {
    await using log = await openWithTopic(url(), 2)
    const { topic } = log
    const stop = new AbortController()
    const consumed = new Set<string>()
    const followed = new Set<string>()
    /** Next offset of the group by partition. */
    const reached: number[] = [0, 0]
    const retry = { attemptsMax: 3, delayMs: 100, delayMaxMs: 1_000 }
    const consuming = consumeReliably(
      log,
      { group: topic, topics: [topic], batchRecordsMax: 10, signal: stop.signal, retry, onFailure: () => {} },
      {
        async onBatch(batch) {
          for (const record of batch.records) consumed.add(textOf(record))
          reached[batch.partition] = (batch.records.at(-1)?.offset ?? 0) + 1
        },
      },
    )
    const following = log.follow(
      { topic, signal: stop.signal },
      {
        onBatch(batch) {
          for (const record of batch.records) followed.add(textOf(record))
        },
      },
    )
    await log.append(topic, records(50), { signal: never })
    await until('the first half', () => consumed.size === 50 && followed.size === 50)
    process.kill(services.pid('kafka'), 'SIGKILL')
    const started = performance.now()
    const error = await log.append(topic, records(1, 1_000), { signal: never }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', message: expect.stringMatching(/same ids.*ECONN|closed/is) })
    expect(performance.now() - started).toBeLessThan(13_000)
    await services.start('kafka')
    await insist(log, topic, records(50, 50))
    await until('the second half', () => consumed.size >= 100 && followed.size >= 100)
    // Each look for a broker left one more listener on every connection that had failed before.
    expect(warnings.map(String)).toEqual([])
    const ends = (await log.offsets(topic, { signal: never })).map(({ endOffset }) => endOffset)
    // What was sent again may stand there twice, and its repetition is still to be read.
    await until('the end of the log', () => ends.every((end, partition) => reached[partition] === end))
    stop.abort()
    await Promise.all([consuming, following])
    expect(await log.committed(topic, topic, { signal: never })).toEqual(ends)
  })

  test('a broker that hangs costs an append its deadline, not for ever, and no acknowledged record', async () => {
    await using log = await openWithTopic(url(), 1)
    await log.append(log.topic, records(5), { signal: never })
    process.kill(services.pid('kafka'), 'SIGSTOP')
    try {
      const started = performance.now()
      const error = await log.append(log.topic, records(5, 5), { signal: never }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE' })
      expect(performance.now() - started).toBeLessThan(20_000)
      // More than fits into a request: who waits behind it gets the same answer, not a deadline of its own.
      const large = Array.from({ length: 16 }, () => ({ key: 'u', value: Buffer.alloc(60_000) }))
      const waiting = Array.from({ length: 40 }, () => log.append(log.topic, large, { signal: never }))
      const codes = (await Promise.allSettled(waiting)).map(
        (settled) => (settled as PromiseRejectedResult).reason?.code,
      )
      expect(new Set(codes)).toEqual(new Set(['LOG_UNAVAILABLE']))
      expect(performance.now() - started).toBeLessThan(40_000)
    } finally {
      process.kill(services.pid('kafka'), 'SIGCONT')
    }
    // As many records as the lost request had, whatever became of that one.
    await insist(log, log.topic, records(5, 10))
    const read = await log.read({ topic: log.topic, partition: 0, offset: 0 }, 100, { signal: never })
    const texts = new Set(read.map(textOf))
    for (const record of [...records(5), ...records(5, 10)]) expect(texts).toContain(String(record.value))
  })

  test('no broker there, or a wrong address, is one line that names LOG_URL', async () => {
    const started = performance.now()
    await expect(openEventLog('kafka://127.0.0.1:9', { now: Date.now })).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: expect.stringMatching(/LOG_URL \(127\.0\.0\.1:9\).*ECONNREFUSED/),
    })
    await expect(openEventLog('kafka://nowhere.invalid:9092', { now: Date.now })).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: expect.stringMatching(/nowhere\.invalid/),
    })
    expect(performance.now() - started).toBeLessThan(20_000)
  })
})

describe('Kafka with TLS and SASL', () => {
  const secure = (password: string, parameters: string) =>
    `kafka://${SASL_USER.username}:${password}@127.0.0.1:${services.extraPorts('kafka')[1]}?tls=true${parameters}`
  const ca = () => `&ca=${join(services.dataFolder('kafka'), CERTIFICATE_FILE)}`

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'])(
    '%s: the right credentials and authority work',
    async (name) => {
      await using log = await openEventLog(secure(SASL_USER.password, `${ca()}&mechanism=${name}`), { now: Date.now })
      const topic = `secure-${randomUUID()}`
      await log.ensureTopics([{ topic, partitions: 1, cleanup: 'delete' }], { signal: never })
      expect(await log.append(topic, records(3), { signal: never })).toHaveLength(3)
    },
  )

  test('a wrong password is CONFIG_INVALID and does not show it', async () => {
    const error = await openEventLog(secure('hunter2', ca()), { now: Date.now }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', field: 'LOG_URL', message: expect.stringMatching(/refused/) })
    expect(String(error)).not.toContain('hunter2')
  })

  test('an authority that nobody knows is refused, and so is TLS where there is none', async () => {
    const unknown = openEventLog(secure(SASL_USER.password, ''), { now: Date.now })
    await expect(unknown).rejects.toMatchObject({ message: expect.stringMatching(/LOG_URL.*certificate/is) })
    const plain = openEventLog(`${services.url('kafka')}?tls=true`, { now: Date.now })
    await expect(plain).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
  })
})

describe('compaction by Kafka', () => {
  test('readers, followers and groups pass what compaction removed, whole batches included', async () => {
    await using log = await openEventLog(url(), { now: Date.now })
    const topic = `compacted-${randomUUID()}`
    await log.ensureTopics([{ topic, partitions: 1, cleanup: 'compact' }], { signal: never })
    await configure(topic, { 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001', 'delete.retention.ms': '0' })
    const put = (key: string, value: string | null) =>
      log.append(topic, [{ key, value: value === null ? null : Buffer.from(value) }], { signal: never })
    await put('kept', '1')
    for (let index = 0; index < 200; index++) await put('changing', String(index))
    await put('removed', 'x')
    await put('removed', null)
    const all = () => log.read({ topic, partition: 0, offset: 0 }, 1_000, { signal: never })
    await until('compaction', async () => {
      await put('tick', String(performance.now()))
      await sleep(200)
      return (await all()).length < 50
    })
    const newest = async () => {
      const records = await all()
      return Object.fromEntries(records.map((record) => [record.key, textOf(record)]))
    }
    expect(await newest()).toMatchObject({ kept: '1', changing: '199' })
    const middle = await log.read({ topic, partition: 0, offset: 50 }, 1, { signal: never })
    expect(middle[0]?.offset).toBeGreaterThan(50)

    const [{ endOffset } = { endOffset: 0 }] = await log.offsets(topic, { signal: never })
    const followed = new Map<string | null, string>()
    const caughtUp = new AbortController()
    await log.follow(
      { topic, signal: caughtUp.signal },
      {
        onBatch(batch) {
          for (const record of batch.records) followed.set(record.key, textOf(record))
        },
        onCaughtUp: () => caughtUp.abort(),
      },
    )
    expect(Object.fromEntries(followed)).toMatchObject({ kept: '1', changing: '199' })

    const stop = new AbortController()
    await log.consume(
      { group: topic, topics: [topic], batchRecordsMax: 10, signal: stop.signal },
      {
        async onBatch({ records }) {
          if ((records.at(-1)?.offset ?? 0) >= endOffset - 1) stop.abort()
        },
      },
    )
    expect(await log.committed(topic, topic, { signal: never })).toEqual([endOffset])
  })
})

async function configure(topic: string, entries: Readonly<Record<string, string>>): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers: brokers(), logLevel: 0 }).admin()
  await admin.connect()
  const kept = { 'cleanup.policy': 'compact', 'message.timestamp.type': 'LogAppendTime' }
  const configEntries = Object.entries({ ...kept, ...entries }).map(([name, value]) => ({ name, value }))
  const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }]
  await admin.alterConfigs({ validateOnly: false, resources })
  await admin.disconnect()
}
