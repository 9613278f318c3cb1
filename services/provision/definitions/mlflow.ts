import { join } from 'node:path'
import type { ServiceDefinition } from '../definition.ts'
import { installPython } from '../tool.ts'

const VERSION = '3.17.2'

/** MLflow tracking server and model registry over SQLite; artifacts go through its proxy into the data folder. */
export const mlflow: ServiceDefinition = {
  needs: { python3: 'python3-venv' },
  release: `mlflow-${VERSION}`,
  defaultPort: 15_000,
  extraPorts: 0,
  setting: 'MODEL_REGISTRY_URL',
  url: (port) => `http://127.0.0.1:${port}`,
  async install(distFolder) {
    await installPython(distFolder, [`mlflow==${VERSION}`, 'boto3'])
  },
  async prepare({ distFolder, dataFolder, port }) {
    return {
      command: join(distFolder, 'bin', 'mlflow'),
      args: [
        ...['server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1'],
        ...['--backend-store-uri', `sqlite:///${join(dataFolder, 'mlflow.db')}`],
        ...['--serve-artifacts', '--artifacts-destination', join(dataFolder, 'artifacts')],
      ],
      environment: {
        MLFLOW_DISABLE_TELEMETRY: 'true',
        DO_NOT_TRACK: 'true',
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
        PATH: `${join(distFolder, 'bin')}:/usr/local/bin:/usr/bin:/bin`,
      },
    }
  },
  async isHealthy({ port }) {
    return (await fetch(`http://127.0.0.1:${port}/health`)).ok
  },
}
