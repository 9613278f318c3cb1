import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * Below the ports that systems give to outgoing connections (32768 and up on Linux): a server that is stopped and started
 * again must find its port as it left it.
 */
const PORT_MIN = 20_000
const PORT_MAX = 32_000
const TRIES_MAX = 200
/** How long a killed server may hold its port, and how often that is looked at. */
const RELEASE_MS = 3_000
const POLL_MS = 50
/** Beyond this those given out first may be given out again. */
const GIVEN_MAX = 1_000

/** Given out by this process; whoever asked may not listen yet. */
const given = new Set<number>()

/** A port of 127.0.0.1 that nothing listens on now and that this process was not given before. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN))
    if (given.has(port)) continue
    given.add(port)
    if (given.size > GIVEN_MAX) given.delete(given.values().next().value as number)
    if (await isFree(port)) return port
  }
  throw new Error(`none of ${TRIES_MAX} ports between ${PORT_MIN} and ${PORT_MAX} was free`)
}

/** Whether the port is free, if not now then soon: a server that was killed holds its port until the system has ended it. */
export async function becomesFree(port: number): Promise<boolean> {
  const deadline = performance.now() + RELEASE_MS
  while (!(await isFree(port))) {
    if (performance.now() > deadline) return false
    await pause(POLL_MS)
  }
  return true
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
