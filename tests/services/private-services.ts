import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { SERVICE_NAMES, type ServiceName } from '../../services/provision/definition.ts'
import { type RunningService, startServices, stopServices } from '../../services/provision/services.ts'

export const SERVICES_FOLDER = resolve(process.env.SERVICES_DIR ?? '.services')
const PRIVATE_FOLDER = join(SERVICES_FOLDER, 'private')

export interface PrivateServices extends AsyncDisposable {
  url(name: ServiceName): string
  extraPorts(name: ServiceName): readonly number[]
  /** Where the server keeps its files. */
  dataFolder(name: ServiceName): string
  /** The process, for a case that stalls or kills it. */
  pid(name: ServiceName): number
  /** Asks it to end, and waits until it has. */
  stop(name: ServiceName): Promise<void>
  /** Starts it again on the port it had, with the data it had. */
  start(name: ServiceName): Promise<void>
}

/** Servers of one's own on free ports, their data in a folder that goes with them; for cases that stop or kill servers. */
export async function startPrivateServices(names: readonly ServiceName[]): Promise<PrivateServices> {
  await sweep()
  await mkdir(PRIVATE_FOLDER, { recursive: true })
  const dataFolder = await mkdtemp(join(PRIVATE_FOLDER, `${process.pid}-`))
  const place = { folder: SERVICES_FOLDER, dataFolder }
  const running = new Map<ServiceName, RunningService>()
  const anyPort = Object.fromEntries(SERVICE_NAMES.map((name) => [name, 0]))
  const remove = async () => {
    await stopServices(names, place)
    await rm(dataFolder, { recursive: true, force: true })
  }
  try {
    for (const service of await startServices(names, { ...place, ports: anyPort })) running.set(service.name, service)
  } catch (error) {
    await remove()
    throw error
  }
  const get = (name: ServiceName) => {
    const service = running.get(name)
    if (service === undefined) throw new Error(`${name} is not among the services of this case`)
    return service
  }
  return {
    url: (name) => get(name).url,
    pid: (name) => get(name).pid,
    extraPorts: (name) => get(name).extraPorts,
    dataFolder: (name) => join(dataFolder, name),
    async stop(name) {
      await stopServices([name], place)
    },
    async start(name) {
      const [again] = await startServices([name], { ...place, ports: { [name]: get(name).port } })
      if (again !== undefined) running.set(name, again)
    },
    [Symbol.asyncDispose]: remove,
  }
}

/** Stops and removes what runs that were killed left behind. */
async function sweep(): Promise<void> {
  for (const entry of await readdir(PRIVATE_FOLDER).catch(() => [])) {
    if (isAlive(Number.parseInt(entry, 10))) continue
    const dataFolder = join(PRIVATE_FOLDER, entry)
    await stopServices(SERVICE_NAMES, { folder: SERVICES_FOLDER, dataFolder })
    await rm(dataFolder, { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
