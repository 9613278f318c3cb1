// npm run services -- start|stop|status [names]: real backing servers without Docker.
// SERVICES_DIR is the work folder (.services); KAFKA_PORT, REGISTRY_PORT, REDIS_PORT, ... choose ports (0: any free one).
import { resolve } from 'node:path'
import { SERVICE_NAMES, type ServiceName } from './definition.ts'
import {
  DEFINITIONS,
  type RunningService,
  serviceNames,
  serviceStatus,
  startServices,
  stopServices,
} from './services.ts'

const USAGE = `usage: npm run services -- start|stop|status [${SERVICE_NAMES.join('] [')}]`

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function run([command, ...rest]: readonly string[]): Promise<number> {
  const folder = resolve(process.env.SERVICES_DIR ?? '.services')
  const names = serviceNames(rest)
  if (command === 'start') {
    for (const name of SERVICE_NAMES.filter((known) => names.includes(known))) {
      for (const service of await startServices([name], { folder, ports: portsOf(process.env) })) print(service)
    }
    return 0
  }
  if (command === 'stop') {
    const stopped = await stopServices(names, { folder })
    process.stdout.write(stopped.length === 0 ? 'nothing ran\n' : `stopped ${stopped.join(', ')}\n`)
    return 0
  }
  if (command === 'status') {
    const states = await Promise.all(names.map((name) => serviceStatus(name, { folder })))
    states.forEach((state, index) => {
      if (state === null) process.stdout.write(`${names[index]?.padEnd(10)} down\n`)
      else print(state)
    })
    return states.includes(null) ? 3 : 0
  }
  process.stderr.write(`${USAGE}\n`)
  return 2
}

function print({ name, pid, url }: RunningService): void {
  process.stdout.write(`${name.padEnd(10)} up, pid ${pid}, ${DEFINITIONS[name].setting}=${url}\n`)
}

function portsOf(environment: NodeJS.ProcessEnv): Partial<Record<ServiceName, number>> {
  const given = SERVICE_NAMES.map((name) => [name, environment[`${name.toUpperCase()}_PORT`]] as const)
  return Object.fromEntries(
    given
      .filter(([, text]) => text !== undefined && /^\d{1,5}$/.test(text))
      .map(([name, text]) => [name, Number(text)]),
  )
}
