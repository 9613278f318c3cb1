import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openEventLog } from '../../streams/event-log/open.ts'

const KILLS = 3
const LINES_MIN = 300

/** Lines that a writer printed until it was killed, the torn last one left out. */
async function writeUntilKilled(folder: string, seed: number): Promise<string[]> {
  const program = join(import.meta.dirname, 'event-log-writer.ts')
  const child = spawn(process.execPath, [program, folder, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  let lines = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    lines += text.split('\n').length - 1
    if (lines >= LINES_MIN * seed) child.kill('SIGKILL')
  })
  const killedBy = await new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)))
  expect(killedBy).toBe('SIGKILL')
  return output.split('\n').slice(0, -1)
}

test('every acknowledged record is there, in its place and once, after each of three kills in the middle of appends', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-crash-'))
  const { signal } = new AbortController()
  try {
    const acknowledged = new Map<string, string>()
    for (let kill = 1; kill <= KILLS; kill++) {
      for (const line of await writeUntilKilled(folder, kill)) {
        const [partition, offset, value = ''] = line.split(' ')
        expect(acknowledged.has(`${partition}/${offset}`)).toBe(false)
        acknowledged.set(`${partition}/${offset}`, value)
      }
      await using log = await openEventLog(`embedded:${folder}`, { now: Date.now })
      const found = new Map<string, string>()
      for (const { partition, endOffset } of await log.offsets('t', { signal })) {
        for (let offset = 0; offset < endOffset; ) {
          const records = await log.read({ topic: 't', partition, offset }, 10_000, { signal })
          expect(records[0]?.offset).toBe(offset)
          for (const record of records)
            found.set(`${partition}/${record.offset}`, Buffer.from(record.value ?? []).toString())
          offset = (records.at(-1)?.offset ?? offset) + 1
        }
      }
      const lost = [...acknowledged].filter(([position, value]) => found.get(position) !== value)
      expect(lost).toEqual([])
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(LINES_MIN * KILLS)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
