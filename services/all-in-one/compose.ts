import { join } from 'node:path'
import { openCodecs } from '../../streams/codec/open.ts'
import { topicSpecs } from '../../streams/topics.ts'
import { startEdge } from '../edge/compose.ts'
import { openBackends } from '../runtime/backends.ts'
import { BACKENDS_OF, type ServiceContext } from '../runtime/context.ts'
import { startChampionWatch } from '../runtime/serving-model.ts'
import { startTasks } from '../runtime/tasks.ts'
import { runSink } from '../sink/sink.ts'
import { runTrainer } from '../trainer/trainer.ts'
import { runUpdater } from '../updater/updater.ts'

/** All services in this process. Dispose stops the edge first, then the consumers, then closes every backend. */
export interface RunningMillrace extends AsyncDisposable {
  /** Where the edge listens. */
  readonly url: string
  /** Rejects when a service ends although nobody asked it to. */
  readonly failed: Promise<never>
}

/**
 * Opens every backend, starts every service and listens.
 * `opening` gives up a start that has not finished; it does not stop what runs.
 * @throws MillraceError of the part that cannot start; what was started before is closed again.
 */
export async function startMillrace(context: ServiceContext, opening: AbortSignal): Promise<RunningMillrace> {
  const { settings, now, logger } = context
  await using stack = new AsyncDisposableStack()
  const backends = stack.use(await openBackends(settings, now, BACKENDS_OF.edge, (message) => logger.warn(message)))
  await backends.log.ensureTopics(topicSpecs(settings), { signal: opening })
  const codecs = await openCodecs({
    registryUrl: settings.SCHEMA_REGISTRY_URL,
    folder: join(settings.DATA_DIR, 'schema-registry'),
  })
  const tasks = stack.use(startTasks())
  const models = await startChampionWatch(context, backends, tasks, opening)
  tasks.add('sink', runSink(context, backends, { codecs }, tasks.signal))
  tasks.add('updater', runUpdater(context, backends, { codecs, models }, tasks.signal))
  tasks.add('trainer', runTrainer(context, backends, { codecs }, tasks.signal))
  const { url } = stack.use(await startEdge(context, backends, { codecs, models }, tasks))
  opening.throwIfAborted()
  const running = stack.move()
  return { url, failed: tasks.failed, [Symbol.asyncDispose]: () => running.disposeAsync() }
}
