import { existsSync } from 'node:fs'
import { loadEnvFile } from 'node:process'
import { loadConfig } from '../../schemas/config.ts'
import { isMillraceError } from '../../schemas/errors.ts'
import { Settings } from '../../schemas/settings.ts'
import type { ServiceContext } from '../runtime/context.ts'
import { startMillrace } from './compose.ts'
import { runDemo } from './demo/demo.ts'
import { createContext } from './in-process.ts'

/** A stop that takes longer is ended: something hangs, and a restart is safe at any time. */
const STOP_DEADLINE_MS = 9_500

interface Running extends AsyncDisposable {
  readonly url: string
  readonly failed: Promise<never>
}

export interface ForegroundOptions {
  readonly environment: NodeJS.ProcessEnv
  readonly signal: AbortSignal
  start(context: ServiceContext, opening: AbortSignal): Promise<Running>
  /** What is printed once it is ready; the first line says where. */
  greeting(url: string, settings: Settings): string
  /** Runs beside it until the signal aborts, which it also does when a service fails. */
  beside?(url: string, context: ServiceContext, print: (text: string) => void, signal: AbortSignal): Promise<void>
}

/** Everything in one process, with or without the demo. Resolves to the exit code. */
export function runAllInOne(
  options: Pick<ForegroundOptions, 'environment' | 'signal'> & { demo: boolean },
): Promise<number> {
  const { demo } = options
  return runForeground({
    ...options,
    start: startMillrace,
    greeting: (url, settings) =>
      `\nMillrace is ready at ${url}\n  page      ${url}/\n  API       ${url}/docs\n  metrics   ${url}/metrics\n  data      ${settings.DATA_DIR}\n${
        demo
          ? '\nThe demo shows simulated visitors (sim-001, sim-002, ...); --no-demo starts empty. Stop with Ctrl+C.\n'
          : ''
      }`,
    ...(demo && {
      beside: (url: string, { logger }: ServiceContext, print: (text: string) => void, signal: AbortSignal) =>
        runDemo(
          { url, logger, now: Date.now, random: Math.random, onProgress: (message) => print(`demo: ${message}`) },
          signal,
        ),
    }),
  })
}

/** Runs until the signal aborts or a part fails for good. Resolves to the exit code; a failure while stopping counts. */
export async function runForeground(options: ForegroundOptions): Promise<number> {
  const { signal } = options
  let wasReady = false
  try {
    if (existsSync('.env')) loadEnvFile('.env')
    const settings = loadConfig(Settings, options.environment)
    const context = createContext(settings, process.stdout)
    using deadline = stopDeadline(context)
    await using running = await options.start(context, signal)
    wasReady = true
    await serve(running, context, options, deadline)
    return 0
  } catch (error) {
    if (signal.aborted && !wasReady) return 0
    process.stderr.write(
      `millrace: ${isMillraceError(error) ? `${error.message} [${error.code}]` : ((error as Error).stack ?? error)}\n`,
    )
    return 1
  }
}

/** Returns when it is to stop, throws when a part has failed; what runs beside has ended in either case. */
async function serve(
  running: Running,
  context: ServiceContext,
  options: ForegroundOptions,
  deadline: { start(): void },
): Promise<void> {
  const print = (text: string) => void process.stdout.write(`${text}\n`)
  const ending = new AbortController()
  const signal = AbortSignal.any([options.signal, ending.signal])
  print(options.greeting(running.url, context.settings))
  const beside = options.beside?.(running.url, context, print, signal)
  try {
    await Promise.race([Promise.all([beside, aborted(signal)]), running.failed])
    print('stopping: requests finish, batches commit, files close')
  } finally {
    deadline.start()
    ending.abort()
    await beside
  }
}

/** Ends the process when stopping takes too long after `start`; dispose takes that back. */
function stopDeadline({ logger }: ServiceContext): Disposable & { start(): void } {
  let timer: NodeJS.Timeout | null = null
  return {
    start() {
      timer = setTimeout(() => {
        logger.error(`still not stopped after ${STOP_DEADLINE_MS} ms; ending now, nothing acknowledged is lost`)
        process.exit(1)
      }, STOP_DEADLINE_MS).unref()
    },
    [Symbol.dispose]() {
      if (timer) clearTimeout(timer)
    },
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
