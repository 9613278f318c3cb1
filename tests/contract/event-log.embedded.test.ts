import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type EmbeddedLog, openEmbeddedLog } from '../../streams/event-log/embedded/log.ts'
import { TOMBSTONE_RETENTION_MS } from '../../streams/event-log/embedded/retention.ts'
import { IN_FLIGHT_BYTES_MAX } from '../../streams/event-log/embedded/writer.ts'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { EventLog, TopicSpec } from '../../streams/event-log/port.ts'
import { eventLogContract } from './event-log.ts'

const signal = new AbortController().signal

async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-log-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

eventLogContract('embedded log', async () => {
  const folder = await temporaryFolder()
  const open = () => openEventLog(`embedded:${folder.path}`, { now: Date.now })
  let log: EventLog = await open()
  return {
    get log() {
      return log
    },
    topic: (name) => name,
    group: (name) => name,
    async reopen() {
      await log[Symbol.asyncDispose]()
      log = await open()
      return log
    },
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
})

describe('embedded log: retention', () => {
  async function withClock(spec: Partial<TopicSpec>) {
    const folder = await temporaryFolder()
    const clock = { now: 1_000_000_000_000 }
    const log: EmbeddedLog = await openEmbeddedLog(folder.path, { now: () => clock.now })
    await log.ensureTopics([{ topic: 't', partitions: 1, cleanup: 'delete', ...spec }], { signal })
    const append = (count: number, value: Uint8Array | null = new Uint8Array(100), key = 'k') =>
      log.append(
        't',
        Array.from({ length: count }, () => ({ key, value })),
        { signal },
      )
    return {
      clock,
      log,
      append,
      offsets: async () => (await log.offsets('t', { signal }))[0],
      readAll: () => log.read({ topic: 't', partition: 0, offset: 0 }, 100_000, { signal }),
      async [Symbol.asyncDispose]() {
        await log[Symbol.asyncDispose]()
        await folder[Symbol.asyncDispose]()
      },
    }
  }

  test('records older than the time limit go, younger ones stay, and a group that was behind goes on at the start', async () => {
    await using under = await withClock({ retentionMs: 60_000 })
    const { log, clock } = under
    await log.commit('g', [{ topic: 't', partition: 0, offset: 0 }], { signal })
    for (let call = 0; call < 700; call++) void under.append(1)
    await under.append(300)
    clock.now += 60_001
    await under.append(10)
    expect(await log.enforceRetention()).toBeGreaterThan(0)
    expect(await under.offsets()).toMatchObject({ startOffset: 1_000, endOffset: 1_010 })
    expect((await under.readAll()).map((record) => record.offset)[0]).toBe(1_000)
    const stop = new AbortController()
    const offsets: number[] = []
    await log.consume(
      { group: 'g', topics: ['t'], batchRecordsMax: 100, signal: stop.signal },
      {
        async onBatch(batch) {
          offsets.push(...batch.records.map((record) => record.offset))
          stop.abort()
        },
      },
    )
    expect(offsets).toEqual(Array.from({ length: 10 }, (_, index) => 1_000 + index))
    clock.now += 60_001
    await log.enforceRetention()
    expect(await under.offsets()).toMatchObject({ startOffset: 1_010, endOffset: 1_010 })
    expect((await under.append(1))[0]?.offset).toBe(1_010)
  })

  test('a partition is cut to its size limit from the oldest end', async () => {
    await using under = await withClock({ retentionBytes: 50_000 })
    await under.append(3_000)
    expect(await under.log.enforceRetention()).toBeGreaterThan(0)
    const kept = await under.readAll()
    expect(kept.length * 102).toBeLessThanOrEqual(50_000)
    expect(kept.length).toBeGreaterThan(100)
    expect(kept.at(-1)?.offset).toBe(2_999)
    expect(await under.log.enforceRetention()).toBe(0)
  })

  test('append times never decrease, also when the clock goes back', async () => {
    await using under = await withClock({})
    await under.append(1)
    under.clock.now -= 5_000
    await under.append(1)
    const [first, second] = await under.readAll()
    expect(second?.appendedAt).toBe(first?.appendedAt)
  })

  test('a tombstone goes after its time together with its key, and consumers pass the gap', async () => {
    await using under = await withClock({ cleanup: 'compact' })
    await under.append(1, new Uint8Array(5), 'a')
    await under.append(1, new Uint8Array(5), 'b')
    await under.append(1, null, 'a')
    expect(await under.log.enforceRetention()).toBe(0)
    expect((await under.readAll()).map((record) => record.offset)).toEqual([1, 2])
    under.clock.now += TOMBSTONE_RETENTION_MS + 1
    expect(await under.log.enforceRetention()).toBe(1)
    expect((await under.readAll()).map((record) => record.offset)).toEqual([1])
    const stop = new AbortController()
    const keys: (string | null)[] = []
    const consuming = under.log.consume(
      { group: 'g', topics: ['t'], batchRecordsMax: 100, signal: stop.signal },
      {
        async onBatch(batch) {
          keys.push(...batch.records.map((record) => record.key))
          if (keys.length === 2) stop.abort()
          else await under.append(1, new Uint8Array(1), 'a')
        },
      },
    )
    await consuming
    expect(keys).toEqual(['b', 'a'])
    expect(await under.log.committed('g', 't', { signal })).toEqual([4])
  })
})

describe('embedded log: its folder', () => {
  test('a second opener gets FOLDER_LOCKED', async () => {
    await using folder = await temporaryFolder()
    await using log = await openEmbeddedLog(folder.path, { now: Date.now })
    await expect(openEmbeddedLog(folder.path, { now: Date.now })).rejects.toMatchObject({ code: 'FOLDER_LOCKED' })
    expect(log.id).not.toBe('')
  })

  test.each([
    ['an alien file', (_: Buffer) => Buffer.from('this is no database'.repeat(1_000))],
    ['a file cut to a half', (file: Buffer) => file.subarray(0, Math.floor(file.length / 2))],
    ['a file of zeros', (file: Buffer) => Buffer.alloc(file.length)],
  ])('%s in place of the log is CORRUPT_FILE and names the file', async (_name, damage) => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'log.mdb')
    {
      await using log = await openEmbeddedLog(folder.path, { now: Date.now })
      await log.ensureTopics([{ topic: 't', partitions: 1, cleanup: 'delete' }], { signal })
      const value = new Uint8Array(60_000)
      for (let call = 0; call < 10; call++) await log.append('t', [{ key: 'k', value }], { signal })
    }
    await writeFile(file, damage(await readFile(file)))
    const error = await openEmbeddedLog(folder.path, { now: Date.now }).then(
      async (log) => log[Symbol.asyncDispose](),
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code: 'CORRUPT_FILE', message: expect.stringContaining('log.mdb') })
    await writeFile(join(folder.path, 'LOCK'), '', { flag: 'wx' })
  })

  test('appends beyond the bytes in flight are OVERLOADED, and those before them are kept', async () => {
    await using folder = await temporaryFolder()
    await using log = await openEmbeddedLog(folder.path, { now: Date.now })
    await log.ensureTopics([{ topic: 't', partitions: 1, cleanup: 'delete' }], { signal })
    const records = Array.from({ length: 200 }, () => ({ key: 'k', value: new Uint8Array(60_000) }))
    const calls = Math.ceil(IN_FLIGHT_BYTES_MAX / 12_000_000) + 2
    const results = await Promise.allSettled(Array.from({ length: calls }, () => log.append('t', records, { signal })))
    const refused = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown)
    expect(refused.length).toBeGreaterThan(0)
    for (const reason of refused) expect(reason).toMatchObject({ code: 'OVERLOADED' })
    const [offsets] = await log.offsets('t', { signal })
    expect(offsets?.endOffset).toBe((calls - refused.length) * 200)
    await log.append('t', records, { signal })
  })

  test('an unknown scheme is CONFIG_INVALID', async () => {
    await expect(openEventLog('kafak://x', { now: Date.now })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})
