import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { EventLog } from '../../streams/event-log/port.ts'
import { serviceUrl } from './service-url.ts'

const PARTITIONS = 8
const signal = new AbortController().signal
const connections = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length

async function openWithRecords(): Promise<EventLog & { readonly topic: string }> {
  const log = await openEventLog(serviceUrl('kafka'), { now: Date.now })
  const topic = `connections-${randomUUID()}`
  await log.ensureTopics([{ topic, partitions: PARTITIONS, cleanup: 'delete' }], { signal })
  const records = Array.from({ length: 100 }, (_, index) => ({ key: `u${index}`, value: Buffer.from('v') }))
  await log.append(topic, records, { signal })
  return Object.assign(log, { topic })
}

/** Of every partition at once. */
const readAll = (log: EventLog, topic: string) =>
  Array.from({ length: PARTITIONS }, (_, partition) => log.read({ topic, partition, offset: 0 }, 100, { signal }))

test('reads that begin at the same moment share one connection, where each opened its own and left it open', async () => {
  await using log = await openWithRecords()
  const before = connections()
  const read = await Promise.all(readAll(log, log.topic))
  expect(read.flat()).toHaveLength(100)
  expect(connections() - before).toBeLessThanOrEqual(1)
})

test('a log that is closed while it is read leaves no connection behind that would keep the process alive', async () => {
  const before = connections()
  const log = await openWithRecords()
  expect(connections()).toBeGreaterThan(before)
  const reading = readAll(log, log.topic).map((read) => read.catch(() => []))
  await log[Symbol.asyncDispose]()
  await Promise.all(reading)
  await nextTurn()
  expect(connections()).toBeLessThanOrEqual(before)
})
