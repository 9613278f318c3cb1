import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { createInterface } from 'node:readline'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { openEventStore } from '../../stores/event-store/open.ts'
import { testEventStore } from './event-store.ts'
import { temporaryFolder } from './temporary-folder.ts'

const signal = new AbortController().signal
const BATCH = 500

testEventStore(
  async () => {
    const folder = await temporaryFolder()
    return {
      open: () => openEventStore(`duckdb:${folder.path}/store/events.duckdb`),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    }
  },
  { name: 'duckdb', durable: true },
)

test('every acknowledged batch is there once after the writing process was killed three times', async () => {
  await using folder = await temporaryFolder()
  const url = `duckdb:${folder.path}/events.duckdb`
  let acknowledged = -1
  for (let round = 0; round < 3; round++) {
    // The batch before last is sent again, as a log would after a kill.
    const { child, lines } = startWriter(url, Math.max(0, acknowledged - 1))
    const target = acknowledged + 4 + round * 3
    for await (const line of lines) {
      acknowledged = Math.max(acknowledged, Number(line))
      if (acknowledged >= target) break
    }
    await kill(child)
    expect(acknowledged).toBeGreaterThanOrEqual(target)
    await using store = await openEventStore(url)
    const events = await store.count({ signal })
    expect(events % BATCH).toBe(0)
    expect(events).toBeGreaterThanOrEqual((acknowledged + 1) * BATCH)
    const found = new Map<string, number>()
    const until = await store.positions({ signal })
    expect(until.get('interactions/0')).toBe(events)
    for await (const batch of store.scanByUser(until, { batchEventsMax: 1_000, signal }))
      for (const { eventId } of batch) found.set(eventId, (found.get(eventId) ?? 0) + 1)
    expect(found.size).toBe(events)
    expect([...found.values()].every((times) => times === 1)).toBe(true)
    expect(Array.from({ length: events }, (_, offset) => found.has(`e${offset}`)).includes(false)).toBe(false)
  }
})

test('a second process gets FOLDER_LOCKED while the first holds the store', async () => {
  await using folder = await temporaryFolder()
  const { child, lines } = startWriter(`duckdb:${folder.path}/events.duckdb`, 0)
  for await (const _ of lines) break
  await expect(openEventStore(`duckdb:${folder.path}/events.duckdb`)).rejects.toMatchObject({ code: 'FOLDER_LOCKED' })
  await kill(child)
})

test('without space left an insert is DISK_FULL, and what was acknowledged before it is there afterwards', async () => {
  await using folder = await temporaryFolder()
  const url = `duckdb:${folder.path}/events.duckdb`
  const writer = join(import.meta.dirname, 'event-store-writer.ts')
  // A process whose files may have 2,000 blocks of 512 or 1,024 bytes meets the same refusal of a write.
  const child = spawn('sh', ['-c', 'ulimit -f 2000; exec "$@"', 'sh', execPath, writer, url, '0', String(BATCH)])
  // Not at its exit: what it wrote may still be on its way then.
  const closed = once(child, 'close')
  let errors = ''
  child.stderr.on('data', (text) => {
    errors += text
  })
  let acknowledged = -1
  for await (const line of createInterface({ input: child.stdout })) acknowledged = Number(line)
  await closed
  expect(errors).toContain("code: 'DISK_FULL'")
  expect(acknowledged).toBeGreaterThan(0)
  await using store = await openEventStore(url)
  expect(await store.count({ signal })).toBe((acknowledged + 1) * BATCH)
})

test('another holder of the DuckDB file itself is FOLDER_LOCKED too', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'events.duckdb')
  const script = `import { DuckDBInstance } from '@duckdb/node-api'
    const held = await DuckDBInstance.create(process.argv[1]); console.log('held'); setInterval(() => held, 1000)`
  const child = spawn(execPath, ['--input-type=module', '-e', script, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const _ of createInterface({ input: child.stdout })) break
  await expect(openEventStore(`duckdb:${file}`)).rejects.toMatchObject({ code: 'FOLDER_LOCKED', field: file })
  await kill(child)
})

test('a file that is no database, or whose blocks were overwritten, is CORRUPT_FILE and named', async () => {
  await using folder = await temporaryFolder()
  await mkdir(join(folder.path, 'text'))
  const text = join(folder.path, 'text', 'events.duckdb')
  await writeFile(text, 'this is no database\n'.repeat(1_000))
  await expect(openEventStore(`duckdb:${text}`)).rejects.toMatchObject({ code: 'CORRUPT_FILE', field: text })

  const damaged = join(folder.path, 'damaged', 'events.duckdb')
  {
    await using _store = await openEventStore(`duckdb:${damaged}`)
  }
  {
    await using handle = await open(damaged, 'r+')
    const { size } = await handle.stat()
    await handle.write(Buffer.alloc(size - 12_288 - 64, 0xa5), 0, size - 12_288 - 64, 12_288 + 64)
  }
  await expect(openEventStore(`duckdb:${damaged}`)).rejects.toMatchObject({ code: 'CORRUPT_FILE', field: damaged })
})

test('event tables of an unknown version are refused and not touched', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'events.duckdb')
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  await connection.run(
    'CREATE TABLE events (id INTEGER); CREATE TABLE format (version INTEGER); INSERT INTO format VALUES (99)',
  )
  connection.disconnectSync()
  instance.closeSync()
  await expect(openEventStore(`duckdb:${file}`)).rejects.toMatchObject({ code: 'UNKNOWN_FORMAT', field: file })
})

test('an unknown scheme is CONFIG_INVALID', async () => {
  await expect(openEventStore('mysql://localhost')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

function startWriter(url: string, from: number) {
  const writer = join(import.meta.dirname, 'event-store-writer.ts')
  const child = spawn(execPath, [writer, url, String(from), String(BATCH)], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { child, lines: createInterface({ input: child.stdout }) }
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null
  child.kill('SIGKILL')
  await exited
}
