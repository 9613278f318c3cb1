import { Writable } from 'node:stream'
import { loadConfig } from '../../schemas/config.ts'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'
import { type RunningMillrace, startMillrace } from '../../services/all-in-one/compose.ts'
import { createLogger } from '../../services/runtime/logger.ts'
import { createMetrics } from '../../services/runtime/metrics.ts'
import { temporaryFolder } from './process.ts'

/** All of Millrace in the test's own process, on a free loopback port and a folder of its own. */
export async function runningMillrace(
  overrides: Readonly<Record<string, string>> = {},
): Promise<RunningMillrace & { readonly folder: string; readonly logs: readonly string[] }> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder('running')).path
  const settings = loadConfig(Settings, {
    DATA_DIR: folder,
    PORT: '0',
    TRAIN_SCHEDULE: 'never',
    LOG_FORMAT: 'json',
    ...overrides,
  })
  const logs: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logs.push(String(chunk))
      done()
    },
  })
  const running = stack.use(
    await startMillrace(
      {
        settings,
        eventWeights: parseEventWeights(settings),
        logger: createLogger(settings, { terminal: false, stream }),
        metrics: createMetrics(),
        now: Date.now,
      },
      new AbortController().signal,
    ),
  )
  const owned = stack.move()
  return { ...running, folder, logs, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
