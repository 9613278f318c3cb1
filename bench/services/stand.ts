import { temporaryDatabase } from '../../tests/services/clickhouse-database.ts'
import { type PrivateServices, startPrivateServices } from '../../tests/services/private-services.ts'
import { makeBucket } from '../../tests/services/s3-bucket.ts'
import { type Cluster, startCluster } from '../../tests/support/cluster.ts'

/** Every service in a process of its own, on servers of its own, all of them on this machine. */
export interface Stand extends AsyncDisposable {
  readonly cluster: Cluster
  readonly servers: PrivateServices
  /** Of Millrace's processes; a bench opens the same backends with them. */
  readonly settings: Readonly<Record<string, string>>
}

/** One of each service. The ClickHouse is the engine behind a small HTTP front that runs one query at a time. */
export async function startStand(changes: Readonly<Record<string, string>> = {}): Promise<Stand> {
  await using stack = new AsyncDisposableStack()
  const servers = stack.use(await startPrivateServices(['kafka', 'registry', 'redis', 'clickhouse', 'mlflow', 's3']))
  const bucket = stack.use(await makeBucket(servers.url('s3')))
  const database = stack.use(await temporaryDatabase(servers.url('clickhouse')))
  const settings = {
    LOG_URL: servers.url('kafka'),
    SCHEMA_REGISTRY_URL: servers.url('registry'),
    EVENT_STORE_URL: database.url,
    USER_STATE_URL: `${servers.url('redis')}/0`,
    MODEL_REGISTRY_URL: servers.url('mlflow'),
    ARTIFACTS_URL: bucket.url('models'),
    ...{ TRAIN_TRIALS: '1', TRAIN_SCHEDULE: 'never', LOG_LEVEL: 'warn', ...changes },
  }
  const cluster = stack.use(await startCluster({ edge: 1, sink: 1, updater: 1, trainer: 1 }, settings))
  const owned = stack.move()
  return { cluster, servers, settings, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
