import { parseEventWeights, type Settings } from '../../schemas/settings.ts'
import type { ServiceContext } from '../runtime/context.ts'
import { createLogger } from '../runtime/logger.ts'
import { createMetrics } from '../runtime/metrics.ts'
import { type RunningMillrace, startMillrace } from './compose.ts'

/** All of Millrace in this process, on a loopback port that the system chooses. Stops when disposed. */
export function startInProcess(settings: Settings, signal: AbortSignal): Promise<RunningMillrace> {
  const local = { ...settings, HOST: '127.0.0.1', PORT: 0 }
  return startMillrace(createContext(local, process.stderr), signal)
}

export function createContext(settings: Settings, output: NodeJS.WriteStream): ServiceContext {
  return {
    settings,
    eventWeights: parseEventWeights(settings),
    logger: createLogger(settings, { terminal: output.isTTY, stream: output }),
    metrics: createMetrics(),
    now: Date.now,
  }
}
