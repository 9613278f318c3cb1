import { expect, test } from 'vitest'
import { MillraceError } from '../../schemas/errors.ts'
import { consumeReliably, type ReliableOptions } from '../../streams/consume.ts'
import type { EventLog, GroupHandler } from '../../streams/event-log/port.ts'
import { openTemporaryLog } from './temporary-log.ts'

const { signal } = new AbortController()
const topic = 'training'
const problem = () => new MillraceError('STORE_UNAVAILABLE', 'on purpose')

/** Runs with a retry policy whose waits are only written down. */
function runner(log: EventLog, stop: AbortController) {
  const waits: number[] = []
  const failures: number[] = []
  const options: ReliableOptions = {
    group: 'g',
    topics: [topic],
    batchRecordsMax: 10,
    signal: stop.signal,
    retry: {
      attemptsMax: 4,
      delayMs: 100,
      delayMaxMs: 300,
      wait: async (delayMs) => {
        waits.push(delayMs)
      },
    },
    onFailure: (_, attempt) => failures.push(attempt),
  }
  return { waits, failures, run: (handler: GroupHandler) => consumeReliably(log, options, handler) }
}

async function withRecords(log: EventLog, count: number): Promise<void> {
  const records = Array.from({ length: count }, () => ({ key: 'k', value: new Uint8Array(1) }))
  await log.append(topic, records, { signal })
}

test('a failing batch is tried again with growing, bounded delays, and is committed only when it succeeded', async () => {
  await using under = await openTemporaryLog(Date.now)
  await withRecords(under.log, 5)
  const stop = new AbortController()
  const { waits, failures, run } = runner(under.log, stop)
  let tries = 0
  await run({
    async onBatch() {
      tries++
      expect(await under.log.committed('g', topic, { signal })).toEqual([null])
      if (tries < 4) throw problem()
      stop.abort()
    },
  })
  expect(tries).toBe(4)
  expect(waits).toEqual([100, 200, 300])
  expect(failures).toEqual([1, 2, 3])
  expect(await under.log.committed('g', topic, { signal })).toEqual([5])
})

test('after the last try the group is left and joined again, from the batch that failed', async () => {
  await using under = await openTemporaryLog(Date.now)
  await withRecords(under.log, 25)
  const stop = new AbortController()
  const { waits, failures, run } = runner(under.log, stop)
  const assigned: (number | null | undefined)[] = []
  const offsets: number[] = []
  let left = 6
  await run({
    async onAssigned(partitions) {
      assigned.push(partitions[0]?.committedOffset)
      return new Map()
    },
    async onBatch(batch) {
      const first = batch.records[0]?.offset ?? -1
      if (first === 10 && left-- > 0) throw problem()
      offsets.push(first)
      if (offsets.length === 3) stop.abort()
    },
  })
  expect(assigned).toEqual([null, 10])
  expect(offsets).toEqual([0, 10, 20])
  expect(failures).toEqual([1, 2, 3, 4, 1, 2])
  expect(waits).toEqual([100, 200, 300, 300, 100, 200])
})

test('LOG_RESET is not retried but thrown, and a shutdown during back-off commits nothing', async () => {
  await using under = await openTemporaryLog(Date.now)
  await withRecords(under.log, 5)
  const stop = new AbortController()
  const { run } = runner(under.log, stop)
  await run({
    async onBatch() {
      stop.abort()
      throw problem()
    },
  })
  expect(await under.log.committed('g', topic, { signal })).toEqual([null])
  await under.log.commit('g', [{ topic, partition: 0, offset: 99 }], { signal })
  const reset = runner(under.log, new AbortController())
  await expect(reset.run({ onBatch: async () => {} })).rejects.toMatchObject({ code: 'LOG_RESET' })
  expect(reset.failures).toEqual([])
})

test('a failing assignment is reported and tried again', async () => {
  await using under = await openTemporaryLog(Date.now)
  await withRecords(under.log, 5)
  const stop = new AbortController()
  const { waits, failures, run } = runner(under.log, stop)
  await run({
    async onAssigned() {
      if (failures.length < 2) throw problem()
      return new Map([[`${topic}/0`, 3]])
    },
    async onBatch(batch) {
      expect(batch.records.map((record) => record.offset)).toEqual([3, 4])
      stop.abort()
    },
  })
  expect(failures).toEqual([1, 1])
  expect(waits).toEqual([300, 300])
})
