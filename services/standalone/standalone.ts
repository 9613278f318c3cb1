import { MillraceError } from '../../schemas/errors.ts'
import type { Settings } from '../../schemas/settings.ts'
import { openCodecs } from '../../streams/codec/open.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import { topicSpecs } from '../../streams/topics.ts'
import { startEdge } from '../edge/compose.ts'
import { embeddedSettings, openBackends } from '../runtime/backends.ts'
import { BACKENDS_OF, type BackendsOf, type ServiceContext, type ServiceName } from '../runtime/context.ts'
import { startOperationsServer } from '../runtime/operations-server.ts'
import { startChampionWatch } from '../runtime/serving-model.ts'
import { startTasks, type Tasks } from '../runtime/tasks.ts'
import { runSink } from '../sink/sink.ts'
import { runTrainer } from '../trainer/trainer.ts'
import { runUpdater } from '../updater/updater.ts'

/** One service in this process, on real backends. Dispose lets it finish its batch and closes what it opened. */
export interface RunningService extends AsyncDisposable {
  /** Its API (edge) or its health and metrics (the others). */
  readonly url: string
  readonly failed: Promise<never>
}

/**
 * Starts one service of several processes. Any number of each may run; partitions move between them.
 * @throws MillraceError CONFIG_INVALID naming every setting whose backend only one process can open.
 */
export async function startService(
  name: ServiceName,
  context: ServiceContext,
  opening: AbortSignal,
): Promise<RunningService> {
  const { settings } = context
  requireSharedBackends(name, settings)
  await using stack = new AsyncDisposableStack()
  const tasks = startTasks()
  const url = await STARTERS[name](context, stack, tasks, opening)
  opening.throwIfAborted()
  const running = stack.move()
  return { url, failed: tasks.failed, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

type Starter = (
  context: ServiceContext,
  stack: AsyncDisposableStack,
  tasks: Tasks,
  opening: AbortSignal,
) => Promise<string>

const STARTERS: Readonly<Record<ServiceName, Starter>> = {
  async edge(context, stack, tasks, opening) {
    const backends = stack.use(await open('edge', context))
    const codecs = await prepareLog(context, backends, opening)
    stack.use(tasks)
    const models = await startChampionWatch(context, backends, tasks, opening)
    return stack.use(await startEdge(context, backends, { codecs, models }, tasks)).url
  },
  async sink(context, stack, tasks, opening) {
    const backends = stack.use(await open('sink', context))
    const codecs = await prepareLog(context, backends, opening)
    stack.use(tasks)
    tasks.add('sink', runSink(context, backends, { codecs }, tasks.signal))
    return await operations('sink', context, stack)
  },
  async updater(context, stack, tasks, opening) {
    const backends = stack.use(await open('updater', context))
    const codecs = await prepareLog(context, backends, opening)
    stack.use(tasks)
    const models = await startChampionWatch(context, backends, tasks, opening)
    tasks.add('updater', runUpdater(context, backends, { codecs, models }, tasks.signal))
    return await operations('updater', context, stack)
  },
  async trainer(context, stack, tasks, opening) {
    const backends = stack.use(await open('trainer', context))
    const codecs = await prepareLog(context, backends, opening)
    stack.use(tasks)
    tasks.add('trainer', runTrainer(context, backends, { codecs }, tasks.signal))
    return await operations('trainer', context, stack)
  },
}

function open<Name extends ServiceName>(name: Name, { settings, now, logger }: ServiceContext) {
  const names: readonly (keyof BackendsOf<Name>)[] = BACKENDS_OF[name]
  return openBackends(settings, now, names, (message) => logger.warn(message))
}

async function prepareLog(
  { settings }: ServiceContext,
  { log }: Pick<Parameters<typeof runSink>[1], 'log'>,
  opening: AbortSignal,
): Promise<Codecs> {
  await log.ensureTopics(topicSpecs(settings), { signal: opening })
  return await openCodecs({ registryUrl: settings.SCHEMA_REGISTRY_URL, folder: null })
}

async function operations(name: ServiceName, context: ServiceContext, stack: AsyncDisposableStack): Promise<string> {
  return stack.use(await startOperationsServer(context, name, () => null)).url
}

function requireSharedBackends(name: ServiceName, settings: Settings): void {
  const embedded: string[] = [...embeddedSettings(settings, BACKENDS_OF[name])]
  if (!settings.SCHEMA_REGISTRY_URL) embedded.push('SCHEMA_REGISTRY_URL')
  if (embedded.length === 0) return
  throw new MillraceError(
    'CONFIG_INVALID',
    `${name} as a process of its own needs servers behind ${embedded.join(', ')}: embedded backends belong to one process; set them, or run everything with "millrace start"`,
  )
}
