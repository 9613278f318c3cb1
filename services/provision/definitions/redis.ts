import { connect } from 'node:net'
import type { ServiceDefinition } from '../definition.ts'
import { runTool } from '../tool.ts'

/** The machine's redis-server, durable within a second and evicting only what has a time to live. */
export const redis: ServiceDefinition = {
  needs: {},
  release: 'redis',
  defaultPort: 16_379,
  extraPorts: 0,
  setting: 'USER_STATE_URL',
  url: (port) => `redis://127.0.0.1:${port}`,
  async install() {
    if (await has('redis-server')) return
    await runTool('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'redis-server'], 'redis-server')
  },
  async prepare({ dataFolder, port }) {
    return {
      command: 'redis-server',
      args: [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dataFolder, '--daemonize', 'no'],
        ...['--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'],
        ...['--maxmemory', '1gb', '--maxmemory-policy', 'volatile-ttl'],
      ],
    }
  },
  isHealthy: ({ port }) => answersPing(port),
}

async function has(command: string): Promise<boolean> {
  return runTool(command, ['--version']).then(
    () => true,
    () => false,
  )
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer = (healthy: boolean) => {
      socket.destroy()
      resolve(healthy)
    }
    socket.setTimeout(1_000, () => answer(false)).once('error', () => answer(false))
    socket.once('data', (data) => answer(data.toString().startsWith('+PONG'))).write('PING\r\n')
  })
}
