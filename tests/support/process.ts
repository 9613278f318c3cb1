import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

/** A Millrace process that a test started and ends. */
export interface MillraceProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly url: string
  output(): string
  finished(): Promise<Finished>
}

const START_DEADLINE_MS = 60_000

/** A folder below the system's temporary one that is removed when it goes out of scope. */
export async function temporaryFolder(name: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), `millrace-${name}-`))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) }
}

/** Runs a program to its end. */
export async function run(
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const { child, finished } = launch(command, environment)
  child.stdin?.end()
  return await finished
}

export function millrace(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Finished> {
  return run([process.execPath, 'services/cli/bin.js', ...args], environment)
}

/** Starts a program (`npm start`'s by default) on a free port and waits until it says where it is ready. */
export async function startProcess(
  environment: Readonly<Record<string, string>>,
  options: { program?: string; args?: readonly string[]; prefix?: readonly string[] } = {},
): Promise<MillraceProcess> {
  const { program = 'services/all-in-one/main.ts', args = ['--no-demo'], prefix = [] } = options
  const command = [...prefix, process.execPath, program, ...args]
  const { child, finished, output } = launch(command, { PORT: '0', LOG_LEVEL: 'warn', ...environment })
  const url = await Promise.race([
    ready(child, output),
    finished.then(({ code }) => fail(`ended with ${code}`, output)),
  ])
  return {
    ...{ child, url, output },
    finished: () => finished,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await finished
    },
  }
}

function launch(command: readonly string[], environment: Readonly<Record<string, string>>) {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const chunks: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(String(chunk)))
  const output = () => chunks.join('')
  const finished = new Promise<Finished>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, output: output() }))
  })
  return { child, finished, output }
}

function ready(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`not ready after ${START_DEADLINE_MS} ms: ${output()}`))
    }, START_DEADLINE_MS)
    const look = () => {
      const url = /ready at (http:\S+)/.exec(output())?.[1]
      if (!url) return
      clearTimeout(timer)
      resolve(url)
    }
    child.stdout?.on('data', look)
    child.on('close', () => clearTimeout(timer))
  })
}

function fail(reason: string, output: () => string): never {
  throw new Error(`the process ${reason}: ${output()}`)
}
