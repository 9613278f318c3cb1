import { call, type Recommendations, type Status } from '../support/api.ts'
import { type Cluster, type Instance, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { postCamps, trainOnCamps } from '../support/trained.ts'
import { clusterSettings } from './cluster-settings.ts'
import { type HttpGate, openGate } from './http-gate.ts'
import { type PrivateServices, startPrivateServices } from './private-services.ts'
import { serviceUrl } from './service-url.ts'

const STRUCK = ['kafka', 'redis', 'clickhouse'] as const

/** A line of a process's log. */
export interface LogLine {
  readonly level: number
  readonly code?: string
  readonly msg: string
}

/** One edge, sink, updater and trainer that serve model 1, on servers that a case may strike. */
export interface StruckCluster extends AsyncDisposable {
  readonly cluster: Cluster
  readonly servers: PrivateServices
  /** Before MLflow and the S3 store. */
  readonly gates: { readonly mlflow: HttpGate; readonly s3: HttpGate }
  readonly settings: Readonly<Record<string, string>>
  readonly edge: Instance
  status(): Promise<Status>
  list(userId: string, more?: string): Promise<Recommendations>
  /** Records that a group has not committed, as the edge tells it. */
  lagOf(group: string): Promise<number>
  /** Resolves when event store and user state have so many events. */
  counted(events: number): Promise<Status>
  /** From now on, `lines(name)` are those that the process logs. */
  mark(): void
  lines(name: string): readonly LogLine[]
  /** The model that a process took last, as it logged it. */
  serving(name: string): string | null
  /** Warnings and errors since the mark that speak of it. */
  complaints(name: string, about: RegExp): readonly string[]
}

export async function openStruckCluster(): Promise<StruckCluster> {
  await using stack = new AsyncDisposableStack()
  const servers = stack.use(await startPrivateServices(STRUCK))
  const mlflow = stack.use(await openGate(serviceUrl('mlflow')))
  const s3 = stack.use(await openGate(new URL(serviceUrl('s3')).origin))
  const own = stack.use(
    await clusterSettings((name) => (STRUCK.some((struck) => struck === name) ? servers.url(name) : serviceUrl(name))),
  )
  const settings = {
    ...own.settings,
    MODEL_REGISTRY_URL: `${mlflow.url}/?name=${own.name}`,
    ARTIFACTS_URL: (own.settings.ARTIFACTS_URL ?? '').replace(/endpoint=.*$/, `endpoint=${s3.url}`),
  }
  const cluster = stack.use(await startCluster({ edge: 1, sink: 1, updater: 1, trainer: 1 }, settings))
  const edge = cluster.get('edge-1')
  const status = async () => (await call<Status>(edge.url, 'GET', '/api/v1/monitoring/status')).body
  await postCamps(edge.url)
  await trainOnCamps(edge.url, { factors: 16, iterations: 5 })
  const { output } = cluster.get('updater-1')
  await eventually(output, (text) => text.includes('model is serving'))
  const marks = new Map<string, number>()
  const lines = (name: string) => {
    const own = cluster
      .get(name)
      .output()
      .slice(marks.get(name) ?? 0)
    return own.split('\n').flatMap((text) => (text.startsWith('{') ? [JSON.parse(text) as LogLine] : []))
  }
  const owned = stack.move()
  return {
    ...{ cluster, servers, gates: { mlflow, s3 }, settings, edge, status, lines },
    async list(userId, more = '') {
      const reply = await call<Recommendations>(
        edge.url,
        'GET',
        `/api/v1/recommendations/user/${userId}?limit=5${more}`,
      )
      if (reply.status !== 200) throw new Error(`${userId}: ${reply.status} ${JSON.stringify(reply.body)}`)
      return reply.body
    },
    async lagOf(group) {
      const { body } = await call<{ groups: { group: string; lagRecords: number }[] }>(
        edge.url,
        'GET',
        '/api/v1/monitoring/lag',
      )
      return body.groups.filter((lag) => lag.group === group).reduce((sum, lag) => sum + lag.lagRecords, 0)
    },
    counted: (events) =>
      eventually(status, ({ eventStore, userState }) => eventStore?.events === events && userState?.events === events, 60_000), // biome-ignore format: one line
    mark() {
      for (const { name, output } of cluster.instances) marks.set(name, output().length)
    },
    serving: (name) => /.*"version":"([^"]+)".*"msg":"model is serving"/s.exec(cluster.get(name).output())?.[1] ?? null,
    complaints: (name, about) => lines(name).flatMap(({ level, msg }) => (level >= 40 && about.test(msg) ? [msg] : [])),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
