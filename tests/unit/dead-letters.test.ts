import { expect, test } from 'vitest'
import { createDeadLetters, REPLAYS_MAX, replayDeadLetters } from '../../streams/dead-letters.ts'
import type { EventLog, LogRecord } from '../../streams/event-log/port.ts'
import { identityOf } from '../../streams/interactions.ts'
import { TOPICS } from '../../streams/topics.ts'
import { openTemporaryLog } from './temporary-log.ts'

const { signal } = new AbortController()
const reason = { code: 'INVALID_EVENT' as const, detail: 'itemId is empty' }

async function readAll(log: EventLog, topic: string): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (const { partition } of await log.offsets(topic, { signal })) {
    records.push(...(await log.read({ topic, partition, offset: 0 }, 10_000, { signal })))
  }
  return records
}

/** Appends poison and sends every record of `interactions` that was not sent yet to the dead letters. */
async function rejectEverything(log: EventLog): Promise<void> {
  const stop = new AbortController()
  const letters = createDeadLetters(log)
  const ends = await log.offsets(TOPICS.interactions, { signal })
  const committed = await log.committed('test', TOPICS.interactions, { signal })
  let left = ends.reduce((sum, { partition, endOffset }) => sum + endOffset - (committed[partition] ?? 0), 0)
  await log.consume(
    { group: 'test', topics: [TOPICS.interactions], batchRecordsMax: 100, signal: stop.signal },
    {
      async onBatch({ records }) {
        for (const record of records) await letters.send(record, reason, signal)
        left -= records.length
        if (left === 0) stop.abort()
      },
    },
  )
}

test('a dead letter has the untouched key and value, the first position, the reason, and the own headers', async () => {
  await using under = await openTemporaryLog(() => 1_700_000_000_000)
  const value = new Uint8Array([0, 255, 1])
  const headers = { traceparent: '00-1', 'x-large': 'x'.repeat(9_000) }
  const records = [
    { key: 'käy', value, headers },
    { key: null, value },
  ]
  const [position] = await under.log.append(TOPICS.interactions, records, { signal })
  await rejectEverything(under.log)
  const letters = await readAll(under.log, TOPICS.deadLetters)
  expect(letters).toHaveLength(2)
  const letter = letters.find(({ key }) => key === 'käy')
  expect([...(letter?.value ?? [])]).toEqual([...value])
  expect(letter?.headers).toEqual({
    traceparent: '00-1',
    'kafka_dlt-original-topic': 'interactions',
    'kafka_dlt-original-partition': String(position?.partition),
    'kafka_dlt-original-offset': String(position?.offset),
    'kafka_dlt-original-timestamp': '1700000000000',
    'kafka_dlt-exception-fqcn': 'INVALID_EVENT',
    'kafka_dlt-exception-message': 'itemId is empty',
  })
  expect(letters.some(({ key }) => key === null)).toBe(true)
})

test('a replay gives every dead letter back once, with its first position as identity, until it failed too often', async () => {
  await using under = await openTemporaryLog(Date.now)
  const { log } = under
  await log.append(
    TOPICS.interactions,
    Array.from({ length: 7 }, (_, at) => ({ key: `u${at}`, value: new Uint8Array([at]) })),
    { signal },
  )
  const identities = (await readAll(log, TOPICS.interactions)).map(identityOf).sort()
  await rejectEverything(log)
  for (let replay = 1; replay <= REPLAYS_MAX; replay++) {
    const result = await replayDeadLetters(log, { recordsMax: 1_000, signal })
    expect(result).toEqual({ replayed: 7, exhausted: 0, unusable: 0, remaining: 0 })
    const replayed = (await readAll(log, TOPICS.interactions)).filter(
      (record) => record.headers['millrace-replays'] === String(replay),
    )
    expect(replayed.map(identityOf).sort()).toEqual(identities)
    expect(replayed.every((record) => record.headers['kafka_dlt-exception-fqcn'] === undefined)).toBe(true)
    await rejectEverything(log)
  }
  const last = await replayDeadLetters(log, { recordsMax: 1_000, signal })
  expect(last).toEqual({ replayed: 0, exhausted: 7, unusable: 0, remaining: 0 })
  expect(await replayDeadLetters(log, { recordsMax: 1_000, signal })).toMatchObject({ replayed: 0, exhausted: 0 })
})

test('a replay is bounded and goes on where it stopped; a letter without a position is counted and left', async () => {
  await using under = await openTemporaryLog(Date.now)
  const { log } = under
  await log.append(
    TOPICS.interactions,
    Array.from({ length: 10 }, (_, at) => ({ key: `u${at}`, value: new Uint8Array([at]) })),
    { signal },
  )
  await rejectEverything(log)
  await log.append(TOPICS.deadLetters, [{ key: 'x', value: new Uint8Array(1) }], { signal })
  const foreign = {
    'kafka_dlt-original-topic': 'items',
    'kafka_dlt-original-partition': '0',
    'kafka_dlt-original-offset': '0',
  }
  await log.append(TOPICS.deadLetters, [{ key: 'x', value: new Uint8Array(1), headers: foreign }], { signal })
  const progress: number[] = []
  const onProgress = ({ replayed }: { replayed: number }) => progress.push(replayed)
  expect(await replayDeadLetters(log, { recordsMax: 4, signal, onProgress })).toEqual({
    replayed: 4,
    exhausted: 0,
    unusable: 0,
    remaining: 8,
  })
  expect(await replayDeadLetters(log, { recordsMax: 100, signal, onProgress })).toEqual({
    replayed: 6,
    exhausted: 0,
    unusable: 2,
    remaining: 0,
  })
  expect(progress).toEqual([4, 6])
  expect(await readAll(log, TOPICS.interactions)).toHaveLength(20)
})
