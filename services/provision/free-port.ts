import { createServer } from 'node:net'

/**
 * Below the ports that systems give to outgoing connections (32768 and up on Linux): a server that is stopped and started
 * again must find its port as it left it.
 */
const PORT_MIN = 20_000
const PORT_MAX = 32_000
const TRIES_MAX = 200

/** A port of 127.0.0.1 that nothing listens on now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN))
    if (await isFree(port)) return port
  }
  throw new Error(`none of ${TRIES_MAX} ports between ${PORT_MIN} and ${PORT_MAX} was free`)
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
