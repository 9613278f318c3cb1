import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { loadConfig } from '../../schemas/config.ts'
import type { Interaction } from '../../schemas/interaction.ts'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'
import { openBackends } from '../../services/runtime/backends.ts'
import { BACKENDS_OF, type Backends, type ServiceContext } from '../../services/runtime/context.ts'
import { runSink } from '../../services/sink/sink.ts'
import { runUpdater } from '../../services/updater/updater.ts'
import { openCodecs } from '../../streams/codec/open.ts'
import type { Codecs } from '../../streams/codec/port.ts'
import { TOPICS, topicSpecs } from '../../streams/topics.ts'

/** Sink and updater on real backends, embedded ones in a folder of their own. */
export interface World extends AsyncDisposable {
  readonly backends: Backends
  readonly codecs: Codecs
  readonly signal: AbortSignal
  context(settings?: Partial<Settings>): ServiceContext
  /** Appends interactions under their users' keys. */
  send(events: readonly Partial<Interaction>[]): Promise<void>
  /** Appends one record as it is, under user u. */
  sendRaw(value: Uint8Array): Promise<void>
  /** Runs services until everything in the log is committed by them, then stops them. */
  drain(services: readonly ('sink' | 'updater')[], context?: ServiceContext): Promise<void>
}

export async function openWorld(changed: Readonly<Record<string, string>> = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-consumers-'))
  const settings = loadConfig(Settings, { DATA_DIR: folder, PARTITIONS: '2', LOG_LEVEL: 'silent', ...changed })
  const { signal } = new AbortController()
  const backends = await openBackends(settings, () => Date.now(), BACKENDS_OF.edge)
  const codecs = await openCodecs({ registryUrl: '', folder: null })
  await backends.log.ensureTopics(topicSpecs(settings), { signal })
  let count = 0

  function context(changed: Partial<Settings> = {}): ServiceContext {
    const all = { ...settings, ...changed }
    const parts = { eventWeights: parseEventWeights(all), metrics: new Registry(), now: () => Date.now() }
    return { settings: all, logger: pino({ level: 'silent' }), ...parts }
  }

  return {
    ...{ backends, codecs, signal, context },
    async send(events) {
      const records = events.map((event) => {
        const filled = { ...defaults, eventId: `e${count++}`, timestamp: Date.now(), ...event }
        return { key: filled.userId, value: codecs.interaction.encode(filled) }
      })
      await backends.log.append(TOPICS.interactions, records, { signal })
    },
    async sendRaw(value) {
      await backends.log.append(TOPICS.interactions, [{ key: 'u', value }], { signal })
    },
    async drain(services, given = context()) {
      const stop = new AbortController()
      const running = services.map((service) =>
        service === 'sink'
          ? runSink(given, backends, { codecs }, stop.signal)
          : runUpdater(given, backends, { codecs, models: { current: () => null } }, stop.signal),
      )
      const ended = Promise.all(running)
      await Promise.race([ended, caughtUp(backends, services)])
      stop.abort()
      await ended
    },
    async [Symbol.asyncDispose]() {
      await (backends as Backends & AsyncDisposable)[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const defaults: Interaction = {
  ...{ operation: 'assert', eventId: null, userId: 'u', itemId: 'i', type: 'view', timestamp: 0 },
  ...{ value: null, requestId: null, context: null },
}

async function caughtUp({ log }: Backends, groups: readonly string[]): Promise<void> {
  const { signal } = new AbortController()
  const deadline = Date.now() + 15_000
  for (;;) {
    const ends = await log.offsets(TOPICS.interactions, { signal })
    const commits = await Promise.all(groups.map((group) => log.committed(group, TOPICS.interactions, { signal })))
    const done = commits.every((next) => ends.every((end) => (next[end.partition] ?? 0) >= end.endOffset))
    if (done) return
    if (Date.now() > deadline) throw new Error(`not caught up: ${JSON.stringify({ ends, commits })}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
