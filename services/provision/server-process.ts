import { spawn } from 'node:child_process'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { MillraceError } from '../../schemas/errors.ts'
import type { Launch, ServicePlace } from './definition.ts'

const STOP_GRACE_MS = 15_000
const POLL_INTERVAL_MS = 100
const LOG_CHARACTERS_SHOWN = 1_500

const PidFile = Type.Object({
  pid: Type.Integer({ minimum: 2 }),
  /** Start time in clock ticks since boot: the same pid with another start is somebody else's process. */
  startTicks: Type.String(),
  port: Type.Integer(),
  extraPorts: Type.Array(Type.Integer(), { default: [] }),
})
/** A server that this folder's pid file names. */
export type ServerProcess = Static<typeof PidFile>

/** Starts a server in a session of its own, so that it outlives us, with its output in DATA/server.log. */
export async function startServer(place: ServicePlace, launch: Launch): Promise<ServerProcess> {
  const { dataFolder, port, extraPorts } = place
  await mkdir(dataFolder, { recursive: true })
  const log = await open(logFile(dataFolder), 'w')
  try {
    const variables = Object.entries(launch.environment ?? {}).map(([name, value]) => `${name}=${value}`)
    const child = spawn('env', [...variables, launch.command, ...launch.args], {
      cwd: dataFolder,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    child.unref()
    const pid = child.pid as number
    const startTicks = await startTicksOf(pid)
    if (startTicks === null)
      throw new MillraceError('INTERNAL', `the server ended at once: ${await logTail(dataFolder)}`)
    const server = { pid, startTicks, port, extraPorts: [...extraPorts] }
    await writeFile(pidFile(dataFolder), JSON.stringify(server))
    return server
  } finally {
    await log.close()
  }
}

/** The server of this folder while it runs; null when there is none (a stale pid file included). */
export async function runningServer(dataFolder: string): Promise<ServerProcess | null> {
  const text = await readFile(pidFile(dataFolder), 'utf8').catch(() => null)
  if (text === null) return null
  const server = parsePidFile(text)
  if (server === null || (await startTicksOf(server.pid)) !== server.startTicks) return null
  return server
}

/** Ends the server and the processes of its session: asks, and after a grace kills. false when none ran. */
export async function stopServer(dataFolder: string): Promise<boolean> {
  const server = await runningServer(dataFolder)
  if (server !== null) {
    signalSession(server.pid, 'SIGTERM')
    const deadline = performance.now() + STOP_GRACE_MS
    while ((await startTicksOf(server.pid)) === server.startTicks && performance.now() < deadline) {
      await sleep(POLL_INTERVAL_MS)
    }
    signalSession(server.pid, 'SIGKILL')
  }
  await rm(pidFile(dataFolder), { force: true })
  return server !== null
}

/** Polls until the server is healthy. @throws MillraceError INTERNAL with the end of its log when it dies or takes too long. */
export async function untilHealthy(
  name: string,
  dataFolder: string,
  deadlineMs: number,
  isHealthy: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (true) {
    if ((await runningServer(dataFolder)) === null) {
      throw new MillraceError('INTERNAL', `${name} ended while it started: ${await logTail(dataFolder)}`)
    }
    if (await isHealthy().catch(() => false)) return
    if (performance.now() > deadline) {
      const tail = await logTail(dataFolder)
      throw new MillraceError('INTERNAL', `${name} did not answer within ${deadlineMs / 1_000} s: ${tail}`)
    }
    await sleep(POLL_INTERVAL_MS)
  }
}

export function logFile(dataFolder: string): string {
  return join(dataFolder, 'server.log')
}

function pidFile(dataFolder: string): string {
  return join(dataFolder, 'server.pid')
}

function parsePidFile(text: string): ServerProcess | null {
  try {
    return Value.Parse(PidFile, JSON.parse(text))
  } catch {
    return null
  }
}

/** Field 22 of /proc/PID/stat; null when the process is gone or a zombie. The name in field 2 may hold spaces. */
async function startTicksOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  if (text === null) return null
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? null : (fields[19] ?? null)
}

function signalSession(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function logTail(dataFolder: string): Promise<string> {
  const text = await readFile(logFile(dataFolder), 'utf8').catch(() => 'it wrote no log')
  return text.trim().slice(-LOG_CHARACTERS_SHOWN)
}
