import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import kafkajs from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { EventLog } from '../../streams/event-log/port.ts'
import { never, openWithTopic, records, textOf, until } from './kafka-records.ts'
import { serviceUrl } from './service-url.ts'

const url = () => `${serviceUrl('kafka')}?sessionTimeoutMs=6000`
const brokers = () => [serviceUrl('kafka').replace('kafka://', '')]

describe('groups on Kafka', () => {
  test('partitions that are added while running are worked on', async () => {
    await using log = await openWithTopic(url(), 1)
    const stop = new AbortController()
    const partitions = new Set<number>()
    const consuming = log.consume(
      { group: log.topic, topics: [log.topic], batchRecordsMax: 10, signal: stop.signal },
      {
        async onBatch({ partition }) {
          partitions.add(partition)
        },
      },
    )
    await log.append(log.topic, records(20), { signal: never })
    await until('work on the only partition', () => partitions.has(0))
    const admin = new kafkajs.Kafka({ brokers: brokers(), logLevel: 0 }).admin()
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic: log.topic, count: 3 }] })
    await admin.disconnect()
    await until('work on all three partitions', async () => {
      // While Kafka makes the partitions an append may be refused.
      await log.append(log.topic, records(17), { signal: never }).catch(() => [])
      return partitions.size === 3
    })
    stop.abort()
    await consuming
  })

  test('a partition that others have worked on is not taken for an empty one by who has not heard of it', async () => {
    await using late = await openWithTopic(url(), 1)
    const { topic } = late
    expect(await late.offsets(topic, { signal: never })).toHaveLength(1)
    const admin = new kafkajs.Kafka({ brokers: brokers(), logLevel: 0 }).admin()
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    await admin.disconnect()
    const seen = new Set<string>()
    const workUntil = async (log: EventLog, isEnough: () => boolean) => {
      const stop = new AbortController()
      const options = { group: topic, topics: [topic], batchRecordsMax: 100, signal: stop.signal }
      await log.consume(options, {
        async onBatch(batch) {
          for (const record of batch.records) seen.add(`${batch.partition}/${record.offset}`)
          if (isEnough()) stop.abort()
        },
      })
    }
    {
      await using first = await openEventLog(url(), { now: Date.now })
      await until('the new partitions', async () => (await first.offsets(topic, { signal: never })).length === 4)
      await first.append(topic, records(200), { signal: never })
      await workUntil(first, () => seen.size === 200)
    }
    expect(await late.offsets(topic, { signal: never })).toHaveLength(1)
    await late.append(topic, records(50, 200), { signal: never })
    await workUntil(late, () => seen.size === 250)
  })

  test('a batch that takes longer than the session keeps its partition, is committed, and does not come again', async () => {
    await using log = await openEventLog(url(), { now: Date.now })
    const topic = `long-${randomUUID()}`
    await log.ensureTopics([{ topic, partitions: 1, cleanup: 'delete' }], { signal: never })
    await log.append(topic, records(10), { signal: never })
    const stop = new AbortController()
    const batches: string[][] = []
    let lost = false
    await log.consume(
      { group: topic, topics: [topic], batchRecordsMax: 10, signal: stop.signal },
      {
        async onBatch(batch, control) {
          batches.push(batch.records.map(textOf))
          if (batches.length === 1) await sleep(9_000)
          lost ||= control.signal.aborted
          if (batches.length === 1) await log.append(topic, records(1, 10), { signal: never })
          else stop.abort()
        },
      },
    )
    expect([batches.length, batches[0]?.length, batches[1], lost]).toEqual([2, 10, ['v10'], false])
    expect(await log.committed(topic, topic, { signal: never })).toEqual([11])
  })

  test('a trickle is committed some times a second, not with each record, and wholly at the end', async () => {
    await using log = await openWithTopic(url(), 1)
    const ends = async () => {
      const offsets = await log.offsets('__consumer_offsets', { signal: never })
      return offsets.reduce((sum, { endOffset }) => sum + endOffset, 0)
    }
    const stop = new AbortController()
    let batches = 0
    const consuming = log.consume(
      { group: log.topic, topics: [log.topic], batchRecordsMax: 10, signal: stop.signal },
      {
        async onBatch() {
          batches++
        },
      },
    )
    await log.append(log.topic, records(1), { signal: never })
    await until('the first batch', () => batches > 0)
    const [before, started] = [await ends(), performance.now()]
    for (let index = 0; index < 100; index++) await log.append(log.topic, records(1, index), { signal: never })
    stop.abort()
    await consuming
    const intervals = (performance.now() - started) / 100
    expect(batches).toBeGreaterThan(10)
    // One a tenth of a second at most, the first and the last, and what the broker notes of the group itself.
    expect((await ends()) - before).toBeLessThanOrEqual(intervals + 5)
    const [committed] = await log.committed(log.topic, log.topic, { signal: never })
    expect(committed).toBeGreaterThan(10)
  })

  test('a reader that gathers gets a trickle in few batches', async () => {
    await using log = await openWithTopic(url(), 1)
    const stop = new AbortController()
    const sizes: number[] = []
    const gatherMs = 400
    const consuming = log.consume(
      { group: log.topic, topics: [log.topic], batchRecordsMax: 1_000, gatherMs, signal: stop.signal },
      {
        async onBatch(batch) {
          sizes.push(batch.records.length)
        },
      },
    )
    await log.append(log.topic, records(1), { signal: never })
    await until('the first batch', () => sizes.length > 0)
    const started = performance.now()
    for (let index = 0; index < 100; index++) await log.append(log.topic, records(1, index), { signal: never })
    await until('all records', () => sizes.reduce((sum, size) => sum + size, 0) === 101)
    stop.abort()
    await consuming
    expect(sizes.length).toBeLessThanOrEqual((performance.now() - started) / gatherMs + 2)
  })

  test('a member stalled past its session loses its partitions, gives its batch up, and cannot commit over its successor', async () => {
    await using log = await openWithTopic(url(), 1)
    const { topic } = log
    await log.append(topic, records(40), { signal: never })
    await using zombie = startMember(topic)
    await until('work of the first member', () => zombie.said('worked').length >= 2)
    await until('a running batch', () => zombie.said('started').length > zombie.said('worked').length)
    process.kill(zombie.pid, 'SIGSTOP')
    const stop = new AbortController()
    const offsets: number[] = []
    const consuming = log.consume(
      { group: topic, topics: [topic], batchRecordsMax: 100, signal: stop.signal },
      {
        async onBatch(batch) {
          offsets.push(...batch.records.map(({ offset }) => offset))
        },
      },
    )
    await until('takeover', () => offsets.at(-1) === 39)
    const firstOfSuccessor = offsets[0] as number
    const workedByZombie = zombie.said('worked').length
    expect(firstOfSuccessor).toBeLessThanOrEqual(workedByZombie)
    await until('the successor to commit', async () => (await log.committed(topic, topic, { signal: never }))[0] === 40)
    const before = zombie.lines.length
    process.kill(zombie.pid, 'SIGCONT')
    await until('the zombie to let go', () => zombie.lines.slice(before).some(({ what }) => what === 'revoked'))
    expect(zombie.lines.slice(before).filter(({ what }) => what === 'worked').length).toBeLessThanOrEqual(1)
    expect(await log.committed(topic, topic, { signal: never })).toEqual([40])
    stop.abort()
    await consuming
  })

  test('aborted transactions of other producers are not delivered, and the group passes what they leave behind', async () => {
    await using log = await openWithTopic(url(), 1)
    const { topic } = log
    const kafka = new kafkajs.Kafka({ brokers: brokers(), logLevel: 0 })
    const producer = kafka.producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (const [text, ending] of [
      ['kept-1', 'commit'],
      ['dropped', 'abort'],
      ['kept-2', 'commit'],
    ] as const) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ key: 'k', value: text }] })
      await transaction[ending]()
    }
    await producer.disconnect()
    const stop = new AbortController()
    const texts: string[] = []
    await log.consume(
      { group: topic, topics: [topic], batchRecordsMax: 100, signal: stop.signal },
      {
        async onBatch(batch) {
          texts.push(...batch.records.map(textOf))
          if (texts.length >= 2) stop.abort()
        },
      },
    )
    expect(texts).toEqual(['kept-1', 'kept-2'])
    const [{ endOffset } = { endOffset: -1 }] = await log.offsets(topic, { signal: never })
    expect(await log.committed(topic, topic, { signal: never })).toEqual([endOffset])
    const read = await log.read({ topic, partition: 0, offset: 1 }, 10, { signal: never })
    expect(read.map(textOf)).toEqual(['kept-2'])
  })
})

interface Line {
  readonly what: string
}

function startMember(topic: string) {
  const script = fileURLToPath(new URL('./kafka-member.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [script, url(), topic, topic], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: Line[] = []
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (text) => lines.push(JSON.parse(text) as Line))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  return {
    pid: child.pid as number,
    lines,
    said: (what: string) => lines.filter((line) => line.what === what),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
