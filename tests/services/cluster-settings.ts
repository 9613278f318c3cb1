import { randomBytes } from 'node:crypto'
import type { ServiceName } from '../../services/provision/definition.ts'
import { temporaryDatabase } from './clickhouse-database.ts'
import { makeBucket } from './s3-bucket.ts'

export const SESSION_TIMEOUT_MS = 6_000

export interface ClusterSettings extends AsyncDisposable {
  /** Of Millrace's processes. */
  readonly settings: Readonly<Record<string, string>>
  /** Of the registered model, the experiment and the keys in Redis. */
  readonly name: string
}

/** Names of the case's own on servers at these URLs; topics and groups have fixed names, so Kafka must be its own. */
export async function clusterSettings(urlOf: (name: ServiceName) => string): Promise<ClusterSettings> {
  await using stack = new AsyncDisposableStack()
  const name = `test-${randomBytes(6).toString('hex')}`
  const bucket = stack.use(await makeBucket(urlOf('s3')))
  const database = stack.use(await temporaryDatabase(urlOf('clickhouse')))
  const owned = stack.move()
  return {
    name,
    settings: {
      LOG_URL: `${urlOf('kafka')}?sessionTimeoutMs=${SESSION_TIMEOUT_MS}`,
      SCHEMA_REGISTRY_URL: urlOf('registry'),
      EVENT_STORE_URL: database.url,
      USER_STATE_URL: `${urlOf('redis')}/0?prefix=${name}`,
      MODEL_REGISTRY_URL: `${urlOf('mlflow')}/?name=${name}`,
      ARTIFACTS_URL: bucket.url('models'),
      ...{ PARTITIONS: '4', TRAIN_TRIALS: '1', TRAIN_SCHEDULE: 'never', LOG_LEVEL: 'info', LOG_FORMAT: 'json' },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
