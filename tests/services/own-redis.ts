import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { freePort } from '../../services/provision/free-port.ts'
import { eventually } from '../support/eventually.ts'

/** A redis-server with options that the shared one does not have, on a free port. */
export async function ownRedis(
  folder: string,
  options: readonly string[],
  kind: { readonly tls?: boolean; readonly slots?: boolean },
): Promise<{ readonly port: number } & AsyncDisposable> {
  const port = await freePort()
  const listen = kind.tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)]
  const place = ['--bind', '127.0.0.1', '--dir', folder, '--save', '', '--cluster-config-file', `nodes-${port}.conf`]
  // By default the bus of a cluster listens 10,000 above, where outgoing connections have theirs.
  const bus = kind.slots ? ['--cluster-port', String(await freePort())] : []
  const server = spawn('redis-server', [...listen, ...bus, ...place, ...options], { stdio: 'ignore' })
  const ask = (...command: string[]) => {
    const how = kind.tls ? ['--tls', '--cacert', join(folder, 'ca.pem'), '-h', 'localhost'] : ['-h', '127.0.0.1']
    const output = ['ignore', 'pipe', 'ignore'] as const
    return execFileSync('redis-cli', [...how, '-p', String(port), ...command], { encoding: 'utf8', stdio: [...output] })
  }
  try {
    await eventually(() => answer(() => ask('ping')), (reply) => /PONG|NOAUTH/.test(reply)) // biome-ignore format: one line
    if (kind.slots) {
      ask('cluster', 'addslotsrange', '0', '16383')
      await eventually(() => ask('cluster', 'info'), (info) => info.includes('cluster_state:ok')) // biome-ignore format: one line
    }
  } catch (error) {
    server.kill()
    throw error
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      const ended = once(server, 'exit')
      server.kill()
      await ended
    },
  }
}

function answer(ask: () => string): string {
  try {
    return ask()
  } catch (error) {
    return String((error as { stdout?: string }).stdout)
  }
}
