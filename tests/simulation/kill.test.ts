import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../schemas/config.ts'
import { Settings } from '../../schemas/settings.ts'
import { openBackends } from '../../services/runtime/backends.ts'
import { makeEvents, seeded } from '../support/events.ts'
import { differencesToOracle } from '../support/oracle-differences.ts'

const EVENTS = 100_000
const KILLS_MIN = 20
const seed = Number(process.env.SEED ?? 20_261_123)

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-kill-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test(`${EVENTS} events with repeats survive ${KILLS_MIN} SIGKILLs, each counted exactly once (seed ${seed})`, async () => {
  const random = seeded(seed)
  const events = makeEvents(EVENTS, random)
  const file = join(folder, 'events.ndjson')
  await writeFile(file, events.map((event) => JSON.stringify(event)).join('\n'))

  let kills = 0
  while (kills < KILLS_MIN) {
    const ended = await importUntil(file, Math.floor(random() * 250))
    if (ended === 'killed') kills++
    else expect.fail(`the import ended (${ended}) after only ${kills} kills; make it longer`)
  }
  expect(await importUntil(file, Number.POSITIVE_INFINITY)).toBe('exit 0')

  const settings = loadConfig(Settings, { DATA_DIR: join(folder, 'data') })
  await using backends = await openBackends(settings, Date.now, ['eventStore', 'userState'])
  expect(await differencesToOracle(events, backends)).toEqual([])
}, 300_000)

/** Imports in a process of its own, which is killed `killAfterMs` after it has moved the checkpoint. */
async function importUntil(file: string, killAfterMs: number): Promise<string> {
  const before = await checkpointRow()
  const flags = [
    '--event-id',
    'eventId',
    '--user',
    'userId',
    '--item',
    'itemId',
    '--type',
    'type',
    '--timestamp',
    'timestamp',
  ]
  const child = spawn(process.execPath, ['services/cli/bin.js', 'import', 'events', file, ...flags], {
    env: { PATH: process.env.PATH, DATA_DIR: join(folder, 'data'), PORT: '1', LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(String(chunk)))
  const ended = new Promise<string>((resolve) => {
    child.on('exit', (code, signal) => resolve(signal === 'SIGKILL' ? 'killed' : `exit ${code}`))
  })
  let over = false
  void ended.then(() => {
    over = true
  })
  while (Number.isFinite(killAfterMs) && !over && (await checkpointRow()) === before) await pause(5)
  if (Number.isFinite(killAfterMs) && !over) {
    await pause(killAfterMs)
    child.kill('SIGKILL')
  }
  const outcome = await ended
  return outcome === 'killed' || outcome === 'exit 0' ? outcome : `${outcome}: ${output.join('')}`
}

async function checkpointRow(): Promise<number> {
  const imports = join(folder, 'data', 'imports')
  const names = await readdir(imports).catch(() => [])
  const name = names.find((entry) => entry.endsWith('.json'))
  return name ? JSON.parse(await readFile(join(imports, name), 'utf8')).nextRow : 0
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
