import { setTimeout as delay } from 'node:timers/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import { loadConfig } from '../../schemas/config.ts'
import { isMillraceError, type MillraceError } from '../../schemas/errors.ts'
import { Settings } from '../../schemas/settings.ts'
import { PRESETS } from '../../schemas/training.ts'
import { createApi } from './api.ts'
import { connect } from './connect.ts'
import { type ImportFlags, importCommand, prepareImport } from './import-command.ts'
import { evaluateCommand, recommendCommand, trainCommand } from './model-commands.ts'
import { lagCommand, replayDeadLettersCommand } from './operations-commands.ts'
import type { Terminal } from './terminal.ts'

const EXIT_CODES = `
Exit codes: 0 done · 1 failed · 2 bad usage or input (also: some rows were rejected) · 3 nothing answers · 4 the gate rejected the model · 130 interrupted

Environment: MILLRACE_URL (default: the local edge), DATA_DIR, PORT and the settings of .env.example.`

const interrupted = new AbortController()
const terminal: Terminal = {
  print: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
  errors: process.stderr,
  now: Date.now,
}

type Parts = Parameters<typeof importCommand>[1]

/** Runs a command against the edge that answers, or against the data folder in this process; sets the exit code. */
async function withEdge(mayCreate: boolean, work: (parts: Parts) => Promise<number>): Promise<void> {
  const settings = loadConfig(Settings, { LOG_LEVEL: 'warn', ...process.env })
  await using connection = await connect(settings, {
    url: process.env.MILLRACE_URL,
    mayCreate,
    signal: interrupted.signal,
  })
  if (connection.inProcess) terminal.note(`no edge answers; working on ${settings.DATA_DIR} in this process`)
  const pause = (milliseconds: number) => delay(milliseconds, undefined, { signal: interrupted.signal })
  const api = createApi(connection.url, pause, interrupted.signal)
  process.exitCode = await work({ api, settings, terminal, signal: interrupted.signal })
}

const number = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('not a number')
  return value
}

const program = new Command('millrace')
  .description('Event-streaming, real-time recommendations: events in, fresh recommendations out.')
  .addHelpText('after', EXIT_CODES)
  .showHelpAfterError('(add --help for what is accepted)')
  .exitOverride()

program
  .command('start')
  .description('run everything in one process: edge, sink, updater, trainer and the web page')
  .option('--no-demo', 'start empty, without the film catalogue and the simulated visitors')
  .action(async (flags: { demo: boolean }) => {
    const { runAllInOne } = await import('../all-in-one/foreground.ts')
    process.exitCode = await runAllInOne({ demo: flags.demo, environment: process.env, signal: interrupted.signal })
  })

for (const { name, port, description } of [
  { name: 'edge', port: '7070', description: 'the HTTP API' },
  { name: 'sink', port: '7071', description: 'log to event store' },
  { name: 'updater', port: '7072', description: 'log to user state' },
  { name: 'trainer', port: '7073', description: 'training requests to models' },
] as const) {
  program
    .command(name)
    .description(`run only the ${name} (${description}) on real backends; health and metrics on PORT (default ${port})`)
    .action(async () => {
      const { runForeground } = await import('../all-in-one/foreground.ts')
      const { startService } = await import('../standalone/standalone.ts')
      process.exitCode = await runForeground({
        environment: { ...process.env, PORT: process.env.PORT || port },
        signal: interrupted.signal,
        start: (context, opening) => startService(name, context, opening),
        greeting: (url) => `millrace ${name} is ready at ${url}`,
      })
    })
}

program
  .command('import')
  .description('import events, items or users from CSV, gzipped CSV or NDJSON; repeat the command to resume')
  .argument('<kind>', 'events, items or users', (kind: string) => {
    if (kind !== 'events' && kind !== 'items' && kind !== 'users')
      throw new InvalidArgumentError('choose events, items or users')
    return kind
  })
  .argument('<file>', 'path of the file')
  .addOption(new Option('--format <format>', 'of the file (default: by its name)').choices(['csv', 'ndjson']))
  .option('--user <column>', 'column of the user id')
  .option('--item <column>', 'column of the item id')
  .option('--id <column>', 'column of the id when importing items or users')
  .option(
    '--timestamp <column>',
    'column of the event time: epoch seconds or milliseconds, ISO 8601, or "YYYY-MM-DD HH:MM:SS" in UTC',
  )
  .option('--type <column>', 'column of the event type')
  .option('--event-type <type>', 'event type of every row without one, e.g. purchase (default: view)')
  .option('--value <column>', 'column of the event value')
  .option('--event-id <column>', 'column of the event id (default: hash of the file and row number)')
  .option('--title <column>', 'column of the item title (with events: items are imported first)')
  .option('--categories <column>', 'column of categories, separated by |')
  .option('--dry-run', 'check every row, store nothing')
  .option('--rejects <file>', 'write every rejected row with its reason to this file')
  .option('--no-wait', 'return when the log has everything, before the consumers have caught up')
  .action(async (kind: 'events' | 'items' | 'users', file: string, flags: ImportFlags) => {
    const prepared = await prepareImport(kind, file, flags)
    await withEdge(true, (parts) => importCommand(prepared, parts))
  })

program
  .command('train')
  .description('train a model, evaluate it and promote it if it passes the gate')
  .addOption(new Option('--preset <preset>').choices([...PRESETS]))
  .option('--factors <n>', '8 to 512', number)
  .option('--iterations <n>', '1 to 200', number)
  .option('--alpha <x>', 'weight of observations', number)
  .option('--alpha0 <x>', 'weight of what was not observed', number)
  .option('--regularization <x>', 'lambda', number)
  .option('--nu <x>', 'frequency scaling of the regularisation, 0 to 1', number)
  .option('--seed <n>', 'seed of the initial factors', number)
  .option('--json', 'print the finished run as JSON')
  .action(({ json, ...parameters }: { json?: boolean }) =>
    withEdge(false, (parts) => trainCommand(parameters, json ?? false, parts)),
  )

program
  .command('evaluate')
  .description('show the evaluation of a run (default: the newest) beside the popularity and item-kNN baselines')
  .argument('[run]', 'run id')
  .option('--json', 'print the full evaluation as JSON')
  .action((run: string | undefined, flags: { json?: boolean }) =>
    withEdge(false, (parts) => evaluateCommand(run, flags.json ?? false, parts)),
  )

program
  .command('recommend')
  .description('show the recommendations of a user, with titles, sources and reasons')
  .argument('<user>', 'user id')
  .option('--limit <n>', 'length of the list', number, 10)
  .option('--category <name>', 'only items of this category')
  .option('--include-seen', 'also items the user has interacted with')
  .option('--json', 'print the reply as JSON')
  .action((user: string, flags: { limit: number }) => withEdge(false, (parts) => recommendCommand(user, flags, parts)))

program
  .command('lag')
  .description('show how far every consumer is behind, in records and seconds')
  .option('--json', 'print JSON')
  .action((flags: { json?: boolean }) => withEdge(false, (parts) => lagCommand(flags.json ?? false, parts)))

program
  .command('replay-dead-letters')
  .description('put refused records back into their topic, after the reason was fixed')
  .option('--json', 'print JSON')
  .action((flags: { json?: boolean }) =>
    withEdge(false, (parts) => replayDeadLettersCommand(flags.json ?? false, parts)),
  )

function report(error: unknown): number {
  if (interrupted.signal.aborted) {
    terminal.note('interrupted; what was acknowledged is kept, and the same command continues')
    return 130
  }
  if (!isMillraceError(error)) {
    terminal.note(error instanceof Error ? (error.stack ?? error.message) : String(error))
    return 1
  }
  terminal.note(`millrace: ${error.message} [${error.code}]`)
  return exitCodeOf(error)
}

function exitCodeOf(error: MillraceError): number {
  if (error.code === 'NOT_READY') return 3
  return error.httpStatus === 400 || error.httpStatus === 404 || error.code === 'CONFIG_INVALID' ? 2 : 1
}

for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort())
// Whoever reads the output may stop early, as `| head` does.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
try {
  await program.parseAsync()
} catch (error) {
  const usage = error as { code?: string; exitCode?: number }
  if (usage.code?.startsWith('commander.')) process.exitCode = usage.exitCode === 0 ? 0 : 2
  else process.exitCode = report(error)
}
