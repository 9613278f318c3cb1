import { access, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../schemas/errors.ts'
import { SERVICE_NAMES, type ServiceDefinition, type ServiceName } from './definition.ts'
import { clickhouse } from './definitions/clickhouse.ts'
import { kafka } from './definitions/kafka.ts'
import { mlflow } from './definitions/mlflow.ts'
import { redis } from './definitions/redis.ts'
import { registry } from './definitions/registry.ts'
import { s3 } from './definitions/s3.ts'
import { withFolderLock } from './folder-lock.ts'
import { becomesFree, freePort } from './free-port.ts'
import { runningServer, startServer, stopServer, untilHealthy } from './server-process.ts'
import { requireTools } from './tool.ts'

export const DEFINITIONS: Readonly<Record<ServiceName, ServiceDefinition>> = {
  ...{ kafka, registry, redis, clickhouse, mlflow, s3 },
}

const START_DEADLINE_MS = 120_000

export interface ServicesPlace {
  /** Everything lies below it: downloads in dist/, instances in data/NAME (or `dataFolder`/NAME). */
  readonly folder: string
  readonly dataFolder?: string
}

export interface StartOptions extends ServicesPlace {
  /** Ports by name; 0 takes any free one, a name left out its default. */
  readonly ports?: Readonly<Partial<Record<ServiceName, number>>>
}

export interface RunningService {
  readonly name: ServiceName
  readonly pid: number
  readonly port: number
  /** What the definition needed beside `port`, in its order. */
  readonly extraPorts: readonly number[]
  readonly url: string
}

/**
 * Provisions and starts servers and resolves when all of them are healthy. Idempotent: what runs already is returned as it
 * is, on the port it has. Only processes named by pid files below the folder are ever stopped.
 * @throws MillraceError CONFIG_INVALID for a missing tool, INTERNAL for a server that does not start.
 */
export async function startServices(
  names: readonly ServiceName[],
  options: StartOptions,
): Promise<readonly RunningService[]> {
  const started: RunningService[] = []
  await mkdir(options.folder, { recursive: true })
  await writeFile(join(options.folder, '.gitignore'), '*\n')
  for (const name of inOrder(names)) {
    started.push(await withFolderLock(dataFolderOf(options, name), () => startService(name, options)))
  }
  return started
}

/** Stops what runs of these, in reverse order; returns the names of what ran. */
export async function stopServices(names: readonly ServiceName[], place: ServicesPlace): Promise<ServiceName[]> {
  const stopped: ServiceName[] = []
  for (const name of inOrder(names).toReversed()) {
    if (await stopServer(dataFolderOf(place, name))) stopped.push(name)
  }
  return stopped
}

/** What runs and answers; null for what does not. */
export async function serviceStatus(name: ServiceName, place: ServicesPlace): Promise<RunningService | null> {
  const dataFolder = dataFolderOf(place, name)
  const server = await runningServer(dataFolder)
  if (server === null) return null
  const definition = DEFINITIONS[name]
  const paths = { distFolder: join(place.folder, 'dist', definition.release), dataFolder }
  const healthy = await definition.isHealthy({ ...paths, ...server }).catch(() => false)
  return healthy ? { name, ...server, url: definition.url(server.port) } : null
}

/** @throws MillraceError INVALID_PARAMETERS for a name that is none. */
export function serviceNames(names: readonly string[]): readonly ServiceName[] {
  const unknown = names.filter((name) => !SERVICE_NAMES.includes(name as ServiceName))
  if (unknown.length > 0) {
    throw new MillraceError(
      'INVALID_PARAMETERS',
      `no service ${unknown.join(', ')}; there are ${SERVICE_NAMES.join(', ')}`,
    )
  }
  return names.length === 0 ? SERVICE_NAMES : (names as readonly ServiceName[])
}

async function startService(name: ServiceName, options: StartOptions): Promise<RunningService> {
  const running = await serviceStatus(name, options)
  if (running !== null) return running
  const definition = DEFINITIONS[name]
  await requireTools(name, definition.needs)
  const distFolder = await installed(options.folder, definition)
  const dataFolder = dataFolderOf(options, name)
  await stopServer(dataFolder)
  const port = options.ports?.[name] || (options.ports?.[name] === 0 ? await freePort() : definition.defaultPort)
  const extraPorts: number[] = []
  while (extraPorts.length < definition.extraPorts) extraPorts.push(await freePort())
  const place = { distFolder, dataFolder, port, extraPorts }
  await mkdir(dataFolder, { recursive: true })
  if (!(await becomesFree(port))) {
    throw new MillraceError('CONFIG_INVALID', `${name} cannot start: something else listens on 127.0.0.1:${port}`)
  }
  const server = await startServer(place, await definition.prepare(place))
  try {
    await untilHealthy(name, dataFolder, START_DEADLINE_MS, () => definition.isHealthy(place))
  } catch (error) {
    await stopServer(dataFolder)
    throw error
  }
  return { name, ...server, url: definition.url(port) }
}

/** The release's folder, downloaded when it is not there yet; two processes that start at once download it once. */
async function installed(folder: string, definition: ServiceDefinition): Promise<string> {
  const distFolder = join(folder, 'dist', definition.release)
  const complete = join(distFolder, '.complete')
  await withFolderLock(distFolder, async () => {
    if (await isThere(complete)) return
    await rm(distFolder, { recursive: true, force: true })
    await mkdir(distFolder, { recursive: true })
    await definition.install(distFolder)
    await writeFile(complete, '')
  })
  return distFolder
}

function dataFolderOf(place: ServicesPlace, name: ServiceName): string {
  return join(place.dataFolder ?? join(place.folder, 'data'), name)
}

function inOrder(names: readonly ServiceName[]): readonly ServiceName[] {
  return SERVICE_NAMES.filter((name) => names.includes(name))
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
