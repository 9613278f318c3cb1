import { existsSync } from 'node:fs'
import { loadEnvFile } from 'node:process'
import { loadConfig } from '../../schemas/config.ts'
import { isMillraceError } from '../../schemas/errors.ts'
import { Settings } from '../../schemas/settings.ts'
import { startMillrace } from './compose.ts'
import { runDemo } from './demo/demo.ts'
import { createContext } from './in-process.ts'

/** A stop that takes longer is ended: something hangs, and a restart is safe at any time. */
const STOP_DEADLINE_MS = 9_500

export interface ForegroundOptions {
  readonly demo: boolean
  readonly environment: NodeJS.ProcessEnv
  readonly signal: AbortSignal
}

/** Runs until the signal aborts or a part fails for good. Resolves to the exit code. */
export async function runForeground(options: ForegroundOptions): Promise<number> {
  const print = (text: string) => void process.stdout.write(`${text}\n`)
  try {
    if (existsSync('.env')) loadEnvFile('.env')
    const settings = loadConfig(Settings, options.environment)
    const context = createContext(settings, process.stdout)
    await using millrace = await startMillrace(context, options.signal)
    print(
      `\nMillrace is ready at ${millrace.url}\n  page      ${millrace.url}/\n  API       ${millrace.url}/docs\n  metrics   ${millrace.url}/metrics\n  data      ${settings.DATA_DIR}\n`,
    )
    if (options.demo)
      print(`The demo shows simulated visitors (sim-001, sim-002, ...); --no-demo starts empty. Stop with Ctrl+C.\n`)
    const demo = options.demo
      ? runDemo(
          {
            url: millrace.url,
            now: Date.now,
            random: Math.random,
            logger: context.logger,
            onProgress: (message) => print(`demo: ${message}`),
          },
          options.signal,
        )
      : Promise.resolve()
    await Promise.race([Promise.all([demo, aborted(options.signal)]), millrace.failed])
    print('stopping: requests finish, batches commit, files close')
    setTimeout(() => {
      context.logger.error(`still not stopped after ${STOP_DEADLINE_MS} ms; ending now, nothing acknowledged is lost`)
      process.exit(1)
    }, STOP_DEADLINE_MS).unref()
    await demo
    return 0
  } catch (error) {
    if (options.signal.aborted) return 0
    process.stderr.write(
      `millrace: ${isMillraceError(error) ? `${error.message} [${error.code}]` : ((error as Error).stack ?? error)}\n`,
    )
    return 1
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
