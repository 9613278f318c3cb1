import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A whole Millrace in a process of its own, as `npm start` runs it. Disposing stops it and removes its folder. */
export interface StartedMillrace extends AsyncDisposable {
  readonly url: string
  /** What it has printed so far. */
  output(): string
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 12_000

export async function startMillraceProcess(...flags: readonly string[]): Promise<StartedMillrace> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-browser-'))
  const child = spawn(process.execPath, ['services/all-in-one/main.ts', ...flags], {
    env: { ...process.env, PORT: '0', HOST: '127.0.0.1', DATA_DIR: folder, LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const stop = () => stopped(child)
  try {
    const url = await addressOf(child, () => output)
    return {
      url,
      output: () => output,
      stop,
      async [Symbol.asyncDispose]() {
        await stop()
        await rm(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await stop()
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

function addressOf(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`Millrace ${why}; it printed:\n${output()}`))
    const timer = setTimeout(() => fail(`was not ready in ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS)
    child.stdout?.on('data', () => {
      const url = /ready at (http:\/\/\S+)/.exec(output())?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      resolve(url)
    })
    child.once('exit', (code) => {
      clearTimeout(timer)
      fail(`ended with code ${code}`)
    })
  })
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await exited
  clearTimeout(timer)
}
