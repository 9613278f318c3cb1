import { describe, expect, test } from 'vitest'
import { isMillraceError, MillraceError } from '../../schemas/errors.ts'
import { RECORD_BYTES_MAX } from '../../schemas/interaction.ts'
import type { AppendRecord, EventLog, LogBatch, LogRecord, Position, TopicSpec } from '../../streams/event-log/port.ts'

/** A log for one case; topics named by `topic` and groups named by `group` belong to that case alone. */
export interface LogUnderTest extends AsyncDisposable {
  readonly log: EventLog
  topic(name: string): string
  group(name: string): string
  /** Closes the log and opens it again, as a restarted process would. */
  reopen(): Promise<EventLog>
}

const signal = new AbortController().signal
const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const textOf = (record: LogRecord) => (record.value === null ? null : Buffer.from(record.value).toString())
const keyed = (count: number): AppendRecord[] =>
  Array.from({ length: count }, (_, index) => ({ key: `user-${index % 37}`, value: bytes(`v${index}`) }))

async function withTopic(under: LogUnderTest, spec: Partial<TopicSpec> = {}): Promise<string> {
  const topic = under.topic('topic')
  await under.log.ensureTopics([{ topic, partitions: 4, cleanup: 'delete', ...spec }], { signal })
  return topic
}

async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(MillraceError)
  return error as MillraceError
}

/** Consumes until `count` records came, and returns them in the order of delivery. */
async function consume(
  log: EventLog,
  options: { group: string; topic: string; count: number; batchRecordsMax?: number },
) {
  const stop = new AbortController()
  const records: LogRecord[] = []
  const batches: LogBatch[] = []
  const { group, topic, count, batchRecordsMax = 100 } = options
  await log.consume(
    { group, topics: [topic], batchRecordsMax, signal: stop.signal },
    {
      async onBatch(batch) {
        batches.push(batch)
        records.push(...batch.records)
        if (records.length >= count) stop.abort()
      },
    },
  )
  return { records, batches }
}

/** What every event log must do, whatever keeps its records. */
export function eventLogContract(name: string, open: () => Promise<LogUnderTest>): void {
  describe(`${name}: records`, () => recordCases(open))
  describe(`${name}: groups`, () => groupCases(open))
  describe(`${name}: following`, () => followCases(open))
  describe(`${name}: restarts`, () => restartCases(open))
}

function recordCases(open: () => Promise<LogUnderTest>): void {
  test('an append returns positions in input order, by which every record reads back unchanged', async () => {
    await using under = await open()
    const topic = await withTopic(under)
    const records: AppendRecord[] = [
      { key: 'a', value: bytes('first'), headers: { traceparent: '00-ä-01', empty: '' } },
      { key: 'a', value: bytes('') },
      { key: null, value: bytes('no key') },
      { key: 'ключ', value: new Uint8Array(RECORD_BYTES_MAX).fill(7) },
      ...keyed(900),
    ]
    const before = Date.now()
    const positions = await under.log.append(topic, records, { signal })
    expect(positions).toHaveLength(records.length)
    for (const [index, position] of positions.entries()) {
      const [record] = await under.log.read(position, 1, { signal })
      const { key, value, headers = {} } = records[index] as AppendRecord
      expect(record).toMatchObject({ ...position, key, headers })
      expect(Buffer.compare(Buffer.from(record?.value ?? []), Buffer.from(value ?? []))).toBe(0)
      expect(record?.appendedAt).toBeGreaterThanOrEqual(before - 1_000)
    }
  })

  test('records of one key share the partition that Kafka chooses and keep their order', async () => {
    await using under = await open()
    const topic = await withTopic(under)
    const positions = await under.log.append(
      topic,
      ['21', 'foobar', 'abc', '21'].map((key) => ({ key, value: bytes(key) })),
      { signal },
    )
    expect(positions.map((position) => position.partition)).toEqual([
      (-973932308 & 0x7fffffff) % 4,
      (-790332482 & 0x7fffffff) % 4,
      479470107 % 4,
      (-973932308 & 0x7fffffff) % 4,
    ])
    expect(positions[3]?.offset).toBeGreaterThan(positions[0]?.offset as number)
  })

  test('concurrent appends get distinct positions and each keeps its own order', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    const calls = await Promise.all(Array.from({ length: 50 }, () => under.log.append(topic, keyed(20), { signal })))
    const offsets = calls.map((positions) => positions.map((position) => position.offset))
    expect(new Set(offsets.flat()).size).toBe(1_000)
    for (const own of offsets) expect(own).toEqual([...own].sort((left, right) => left - right))
    expect(await under.log.offsets(topic, { signal })).toEqual([
      { topic, partition: 0, startOffset: 0, endOffset: 1_000 },
    ])
  })

  test('what cannot be appended is refused as a whole', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    const tooLarge = { key: 'a', value: new Uint8Array(RECORD_BYTES_MAX + 1) }
    const refused = [
      under.log.append(under.topic('unknown'), keyed(1), { signal }),
      under.log.append(topic, [...keyed(3), tooLarge], { signal }),
      under.log.append(topic, [...keyed(3), { key: 'a', value: null }], { signal }),
      under.log.append(topic, [{ key: 'k'.repeat(5_000), value: bytes('v') }], { signal }),
    ]
    for (const promise of refused) expect((await failure(promise)).code).toBe('INVALID_REQUEST')
    expect((await failure(under.log.append(topic, keyed(1), { signal: AbortSignal.abort() }))).code).toBe('ABORTED')
    expect(await under.log.append(topic, [], { signal })).toEqual([])
    expect((await under.log.offsets(topic, { signal }))[0]?.endOffset).toBe(0)
  })

  test('a copy of what somebody else produced may be larger than our own records', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    const copy = { key: 'k'.repeat(5_000), value: new Uint8Array(8 * RECORD_BYTES_MAX).fill(7) }
    const [position] = await under.log.append(topic, [copy], { signal, copies: true })
    const [record] = await under.log.read(position as Position, 1, { signal })
    expect(record?.key).toBe(copy.key)
    expect(Buffer.compare(Buffer.from(record?.value ?? []), Buffer.from(copy.value))).toBe(0)
  })

  test('a topic that exists keeps its partitions and its records', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 3 })
    await under.log.append(topic, keyed(10), { signal })
    await under.log.ensureTopics([{ topic, partitions: 3, cleanup: 'delete', retentionMs: 3_600_000 }], { signal })
    const offsets = await under.log.offsets(topic, { signal })
    expect(offsets).toHaveLength(3)
    expect(offsets.reduce((sum, { endOffset }) => sum + endOffset, 0)).toBe(10)
  })

  test('a moment in time finds the first record appended at or after it', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    for (let call = 0; call < 20; call++) {
      await under.log.append(topic, keyed(3), { signal })
      const clock = Date.now()
      while (Date.now() === clock) await new Promise(setImmediate)
    }
    const records = await under.log.read({ topic, partition: 0, offset: 0 }, 1_000, { signal })
    expect(records).toHaveLength(60)
    for (const { appendedAt } of records) {
      const expected = records.find((record) => record.appendedAt >= appendedAt)?.offset
      expect(await under.log.offsetAtTime(topic, 0, appendedAt, { signal })).toBe(expected)
    }
    expect(await under.log.offsetAtTime(topic, 0, 0, { signal })).toBe(0)
    expect(await under.log.offsetAtTime(topic, 0, Date.now() + 60_000, { signal })).toBe(60)
  })
}

function groupCases(open: () => Promise<LogUnderTest>): void {
  test('a group gets every record once, in order per partition, in bounded batches, and goes on where it stopped', async () => {
    await using under = await open()
    const topic = await withTopic(under)
    await under.log.append(topic, keyed(500), { signal })
    expect(await under.log.committed(under.group('g'), topic, { signal })).toEqual([null, null, null, null])
    const first = await consume(under.log, { group: under.group('g'), topic, count: 500, batchRecordsMax: 33 })
    expect(first.records).toHaveLength(500)
    for (const { records, partition, endOffset } of first.batches) {
      expect(records.length).toBeLessThanOrEqual(33)
      expect(records.every((record) => record.partition === partition && record.offset < endOffset)).toBe(true)
    }
    for (let partition = 0; partition < 4; partition++) {
      const offsets = first.records.filter((record) => record.partition === partition).map((record) => record.offset)
      expect(offsets).toEqual(offsets.map((_, index) => index))
    }
    const ends = (await under.log.offsets(topic, { signal })).map(({ endOffset }) => endOffset)
    const committed = await under.log.committed(under.group('g'), topic, { signal })
    expect(committed.map((offset) => offset ?? 0)).toEqual(ends)
    await under.log.append(topic, [{ key: 'late', value: bytes('late') }], { signal })
    const second = await consume(under.log, { group: under.group('g'), topic, count: 1 })
    expect(second.records.map(textOf)).toEqual(['late'])
  })

  test('a batch that throws ends the membership with that error, is not committed, and comes again', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    await under.log.append(topic, keyed(30), { signal })
    const problem = new MillraceError('STORE_UNAVAILABLE', 'on purpose')
    const options = { group: under.group('g'), topics: [topic], batchRecordsMax: 10, signal }
    const error = await failure(
      under.log.consume(options, {
        async onBatch(batch) {
          if ((batch.records[0]?.offset ?? 0) >= 10) throw problem
        },
      }),
    )
    expect(error).toBe(problem)
    expect(await under.log.committed(under.group('g'), topic, { signal })).toEqual([10])
    const again = await consume(under.log, { group: under.group('g'), topic, count: 20 })
    expect(again.records[0]?.offset).toBe(10)
  })

  test('a member may rewind at its assignment', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    await under.log.append(topic, keyed(10), { signal })
    await under.log.commit(under.group('g'), [{ topic, partition: 0, offset: 8 }], { signal })
    const stop = new AbortController()
    const offsets: number[] = []
    await under.log.consume(
      { group: under.group('g'), topics: [topic], batchRecordsMax: 100, signal: stop.signal },
      {
        async onAssigned(assigned) {
          expect(assigned).toEqual([{ topic, partition: 0, committedOffset: 8, startOffset: 0, endOffset: 10 }])
          return new Map([[`${topic}/0`, 5]])
        },
        async onBatch(batch) {
          offsets.push(...batch.records.map((record) => record.offset))
          if (offsets.length >= 5) stop.abort()
        },
      },
    )
    expect(offsets).toEqual([5, 6, 7, 8, 9])
  })

  test('a committed offset beyond the end is LOG_RESET', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    await under.log.append(topic, keyed(3), { signal })
    await under.log.commit(under.group('g'), [{ topic, partition: 0, offset: 4 }], { signal })
    const error = await failure(
      under.log.consume(
        { group: under.group('g'), topics: [topic], batchRecordsMax: 10, signal },
        { onBatch: async () => {} },
      ),
    )
    expect(error.code).toBe('LOG_RESET')
    expect(error.message).toMatch(/offset 4 .*ends at 3/)
  })

  test('members share the partitions, hand them over after the running batch, and lose nothing', async () => {
    await using under = await open()
    const topic = await withTopic(under)
    let appended = 0
    let isComplete = false
    const append = async (count: number) => {
      appended += count
      await under.log.append(topic, keyed(count), { signal })
    }
    const owners = new Map<number, string>()
    const seen = new Map<string, number>()
    const assignments: string[] = []
    const stops = { a: new AbortController(), b: new AbortController() }
    const everything = Promise.withResolvers<void>()
    const workers = new Set<string>()
    const join = (name: 'a' | 'b') =>
      under.log.consume(
        { group: under.group('g'), topics: [topic], batchRecordsMax: 10, signal: stops[name].signal },
        {
          async onAssigned(assigned) {
            for (const { partition } of assigned) {
              expect(owners.has(partition)).toBe(false)
              owners.set(partition, name)
              assignments.push(`${name}${partition}`)
            }
            return new Map()
          },
          async onRevoked(revoked) {
            for (const { partition } of revoked) owners.delete(partition)
          },
          async onBatch(batch) {
            expect(owners.get(batch.partition)).toBe(name)
            await new Promise(setImmediate)
            expect(owners.get(batch.partition)).toBe(name)
            for (const { partition, offset } of batch.records) {
              seen.set(`${partition}/${offset}`, (seen.get(`${partition}/${offset}`) ?? 0) + 1)
            }
            workers.add(name)
            if (isComplete && seen.size >= appended) everything.resolve()
          },
        },
      )
    const first = join('a')
    await append(1_000)
    const second = join('b')
    while (workers.size < 2) await append(10)
    stops.a.abort()
    await first
    isComplete = true
    await append(1_000)
    await everything.promise
    stops.b.abort()
    await second
    expect([...seen.values()].every((count) => count === 1)).toBe(true)
    expect(new Set(assignments.filter((text) => text.startsWith('b')))).toHaveLength(4)
    expect(owners.size).toBe(0)
  })

  test('groups do not see each other', async () => {
    await using under = await open()
    const topic = await withTopic(under)
    await under.log.append(topic, keyed(50), { signal })
    const both = await Promise.all(
      ['g1', 'g2'].map((group) => consume(under.log, { group: under.group(group), topic, count: 50 })),
    )
    expect(both.map(({ records }) => records.length)).toEqual([50, 50])
  })
}

function followCases(open: () => Promise<LogUnderTest>): void {
  test('a follower gets what was there, hears that it caught up once, and then gets what comes', async () => {
    await using under = await open()
    const topic = await withTopic(under)
    await under.log.append(topic, keyed(2_500), { signal })
    const stop = new AbortController()
    const caughtUp: number[] = []
    let delivered = 0
    await under.log.follow(
      { topic, signal: stop.signal },
      {
        onBatch(batch) {
          delivered += batch.records.length
          if (delivered >= 2_501) stop.abort()
        },
        onCaughtUp() {
          caughtUp.push(delivered)
          void under.log.append(topic, keyed(1), { signal })
        },
      },
    )
    expect(caughtUp).toEqual([2_500])
    expect(delivered).toBe(2_501)
  })

  test('a follower of an empty topic caught up at once', async () => {
    await using under = await open()
    const topic = await withTopic(under, { cleanup: 'compact' })
    const stop = new AbortController()
    await under.log.follow({ topic, signal: stop.signal }, { onBatch: () => {}, onCaughtUp: () => stop.abort() })
    expect(stop.signal.aborted).toBe(true)
  })

  test('a compact topic keeps the newest value of every key, and a tombstone reaches its followers', async () => {
    await using under = await open()
    const topic = await withTopic(under, { cleanup: 'compact', partitions: 1 })
    const put = (key: string, value: string | null) => ({ key, value: value === null ? null : bytes(value) })
    await under.log.append(topic, [put('a', '1'), put('b', '1'), put('a', '2'), put('c', '1')], { signal })
    await under.log.append(topic, [put('b', '2'), put('c', null), put('d', '1')], { signal })
    const state = new Map<string | null, string | null>()
    const stop = new AbortController()
    await under.log.follow(
      { topic, signal: stop.signal },
      {
        onBatch(batch) {
          for (const record of batch.records) state.set(record.key, textOf(record))
        },
        onCaughtUp: () => stop.abort(),
      },
    )
    expect(Object.fromEntries(state)).toEqual({ a: '2', b: '2', c: null, d: '1' })
    const refused = await failure(under.log.append(topic, [{ key: null, value: bytes('x') }], { signal }))
    expect(refused.code).toBe('INVALID_REQUEST')
  })
}

function restartCases(open: () => Promise<LogUnderTest>): void {
  test('records, commits and the identity of the log survive a restart', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    const { id } = under.log
    await under.log.append(topic, keyed(100), { signal })
    await under.log.commit(under.group('g'), [{ topic, partition: 0, offset: 60 }], { signal })
    const again = await under.reopen()
    expect(again.id).toBe(id)
    const { records } = await consume(again, { group: under.group('g'), topic, count: 40 })
    expect(records.map((record) => record.offset)).toEqual(Array.from({ length: 40 }, (_, index) => 60 + index))
    const [next] = await again.append(topic, keyed(1), { signal })
    expect(next?.offset).toBe(100)
  })

  test('closing waits for running appends and stops consumers and followers', async () => {
    await using under = await open()
    const topic = await withTopic(under, { partitions: 1 })
    const reading = [
      under.log.consume(
        { group: under.group('g'), topics: [topic], batchRecordsMax: 10, signal },
        { onBatch: async () => {} },
      ),
      under.log.follow({ topic, signal }, { onBatch: () => {} }),
    ].map(failure)
    const appending = Promise.all(Array.from({ length: 20 }, () => under.log.append(topic, keyed(50), { signal })))
    const closed = under.log
    await closed[Symbol.asyncDispose]()
    await closed[Symbol.asyncDispose]()
    const acknowledged = (await appending).flat()
    expect(acknowledged).toHaveLength(1_000)
    for (const error of await Promise.all(reading)) expect(error.code).toBe('ABORTED')
    expect(isMillraceError(await failure(closed.append(topic, keyed(1), { signal })), 'LOG_UNAVAILABLE')).toBe(true)
    const again = await under.reopen()
    expect((await again.offsets(topic, { signal }))[0]?.endOffset).toBe(1_000)
  })
}
