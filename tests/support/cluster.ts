import { join } from 'node:path'
import { freePort } from '../../services/provision/free-port.ts'
import type { ServiceName } from '../../services/runtime/context.ts'
import { type MillraceProcess, startProcess, temporaryFolder } from './process.ts'

/** A Millrace service in a process of its own that a test kills, stalls and starts again on the port it had. */
export interface Instance {
  readonly name: string
  readonly service: ServiceName
  readonly url: string
  /** What it printed since it was started last. */
  output(): string
  /** Starts it with the settings of before, and these over them; resolves when it is ready. */
  start(changes?: Readonly<Record<string, string>>): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves to its exit code. */
  stop(): Promise<number | null>
  /** SIGSTOP and SIGCONT. */
  stall(): void
  goOn(): void
}

export interface Cluster extends AsyncDisposable {
  readonly instances: readonly Instance[]
  get(name: string): Instance
  named(service: ServiceName): readonly Instance[]
  /** Processes that ended although nobody asked them to, with their last words. */
  deaths(): readonly string[]
}

/** Starts `edge-1`, `edge-2` and so on, as many of each service as asked, all with the same settings. */
export async function startCluster(
  counts: Readonly<Partial<Record<ServiceName, number>>>,
  settings: Readonly<Record<string, string>>,
): Promise<Cluster> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder('cluster'))
  const deaths: string[] = []
  const instances: Instance[] = []
  for (const [service, count] of Object.entries(counts) as [ServiceName, number][]) {
    for (let number = 1; number <= count; number++) {
      const name = `${service}-${number}`
      const own = { ...settings, PORT: String(await freePort()), DATA_DIR: join(folder.path, name) }
      const instance = createInstance(name, service, own, (words) => deaths.push(words))
      stack.defer(() => instance.kill())
      instances.push(instance)
    }
  }
  for (const instance of instances) await instance.start()
  const owned = stack.move()
  return {
    instances,
    get(name) {
      const found = instances.find((instance) => instance.name === name)
      if (found === undefined) throw new Error(`there is no ${name}`)
      return found
    },
    named: (service) => instances.filter((instance) => instance.service === service),
    deaths: () => deaths,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function createInstance(
  name: string,
  service: ServiceName,
  settings: Readonly<Record<string, string>>,
  onDeath: (words: string) => void,
): Instance {
  let running: MillraceProcess | null = null
  let wanted = settings
  async function end(signal: NodeJS.Signals): Promise<number | null> {
    const ending = running
    running = null
    if (ending === null) return null
    ending.child.kill(signal)
    return (await ending.finished()).code
  }
  return {
    ...{ name, service, url: `http://127.0.0.1:${settings.PORT}` },
    output: () => running?.output() ?? '',
    async start(changes = {}) {
      wanted = { ...wanted, ...changes }
      const started = await startProcess(wanted, { program: 'services/cli/bin.js', args: [service] })
      running = started
      void started.finished().then(({ code, signal, output }) => {
        if (running !== started) return
        running = null
        onDeath(`${name} ended with ${code ?? signal}: ${output.slice(-2_000)}`)
      })
    },
    async kill() {
      await end('SIGKILL')
    },
    stop: () => end('SIGTERM'),
    stall: () => void running?.child.kill('SIGSTOP'),
    goOn: () => void running?.child.kill('SIGCONT'),
  }
}
