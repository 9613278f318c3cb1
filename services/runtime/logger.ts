import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Settings } from '../../schemas/settings.ts'

/** JSON lines for machines, readable lines in a terminal (LOG_FORMAT=auto decides by `terminal`). */
export function createLogger(
  settings: Pick<Settings, 'LOG_LEVEL' | 'LOG_FORMAT'>,
  output: { readonly terminal: boolean; readonly stream: NodeJS.WritableStream },
): Logger {
  const readable = settings.LOG_FORMAT === 'pretty' || (settings.LOG_FORMAT === 'auto' && output.terminal)
  const options = { level: settings.LOG_LEVEL, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (!readable) return pino(options, output.stream)
  return pino(
    options,
    pretty({ destination: output.stream, translateTime: 'SYS:HH:MM:ss', colorize: output.terminal, sync: true }),
  )
}
