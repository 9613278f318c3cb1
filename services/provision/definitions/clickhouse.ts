import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServiceDefinition } from '../definition.ts'
import { installPython } from '../tool.ts'

const VERSION = '26.9.0'
const FRONT = fileURLToPath(new URL('./clickhouse_front.py', import.meta.url))

/**
 * The ClickHouse engine behind a small HTTP front: what the client speaks, but one query at a time, without users' rights,
 * cluster or asynchronous inserts. Its data-frame dependencies are left out: results come as bytes.
 */
export const clickhouse: ServiceDefinition = {
  needs: { python3: 'python3-venv' },
  release: `chdb-core-${VERSION}`,
  defaultPort: 18_123,
  extraPorts: 0,
  setting: 'EVENT_STORE_URL',
  url: (port) => `http://default@127.0.0.1:${port}/default`,
  async install(distFolder) {
    await installPython(distFolder, [`chdb-core==${VERSION}`], ['--no-deps'])
  },
  async prepare({ distFolder, dataFolder, port }) {
    return {
      command: join(distFolder, 'bin', 'python'),
      args: [FRONT, '--port', String(port), '--path', join(dataFolder, 'data')],
    }
  },
  async isHealthy({ port }) {
    return (await fetch(`http://127.0.0.1:${port}/ping`)).ok
  },
}
