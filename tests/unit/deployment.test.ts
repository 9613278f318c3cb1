// What can be known of the deployment without Docker: that its files agree with each other and with the services.
import { readdirSync, readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../schemas/config.ts'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'
import { startMillrace } from '../../services/all-in-one/compose.ts'
import { BACKENDS_OF } from '../../services/runtime/context.ts'
import { createLogger } from '../../services/runtime/logger.ts'
import { createMetrics } from '../../services/runtime/metrics.ts'
import { readLocation } from '../../stores/artifacts/s3/location.ts'
import { parseClickHouseAddress } from '../../stores/event-store/clickhouse/address.ts'
import { readAddress } from '../../stores/model-registry/mlflow/address.ts'
import { parseRedisAddress } from '../../stores/user-state/redis/address.ts'
import { parseKafkaUrl } from '../../streams/event-log/kafka/address.ts'
import { temporaryFolder } from '../support/process.ts'

interface ComposeService {
  readonly image: string
  readonly build?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
}

const read = (file: string) => readFileSync(file, 'utf8')
const compose: { services: Record<string, ComposeService>; volumes: Record<string, null> } = parse(
  read('docker-compose.yml'),
  { merge: true },
)
const development = assignments('compose.dev.env.example')
const names = Object.keys(BACKENDS_OF) as (keyof typeof BACKENDS_OF)[]
const services = Object.entries(compose.services)
const ours = Object.entries(compose.services).filter(([, service]) => service.build !== undefined)
const settingNames = Object.keys(Settings.properties)
const imageDefaults = Object.fromEntries(
  [...read('Dockerfile').matchAll(/^ENV (.*)$/gm)].flatMap(([, line = '']) =>
    line.split(' ').map((assignment) => assignment.split('=') as [string, string]),
  ),
)

test('every Millrace service runs as a process of its own, with the command of its name', () => {
  expect(Object.fromEntries(ours.map(([name, service]) => [name, service.command]))).toEqual(
    Object.fromEntries(names.map((name) => [name, [name]])),
  )
})

test('every variable of a Millrace service is a setting, and every setting can be changed', () => {
  const given = ours.flatMap(([, { environment = {} }]) => Object.keys(environment))
  expect(given.length).toBeGreaterThan(40)
  expect(given.filter((name) => !settingNames.includes(name))).toEqual([])
  const reachable = new Set([...given, ...Object.keys(imageDefaults)])
  expect(settingNames.filter((name) => !reachable.has(name))).toEqual([])
})

test('each Millrace service gets usable settings that name a server behind every backend it opens', () => {
  for (const [name, service] of ours) {
    const settings = settingsOf(service)
    expect(settings.HOST, name).toBe('0.0.0.0')
    parseEventWeights(settings)
    for (const [setting, read] of Object.entries(READERS)) {
      const url = settings[setting as keyof typeof READERS]
      const isNeeded = backendsOf(name).includes(BACKEND_OF_SETTING[setting as keyof typeof READERS])
      expect(url !== '', `${setting} of ${name}`).toBe(isNeeded)
      if (isNeeded) read(url)
    }
  }
})

test('every URL of a Millrace service leads to a service that it waits for, at a port that one listens on', () => {
  const checked = ours.flatMap(([name, service]) =>
    Object.entries(targetsOf(settingsOf(service))).map(([setting, target]) => {
      const { hostname, port } = new URL(target)
      expect(service.depends_on?.[hostname]?.condition, `${setting} of ${name}`).toBe('service_healthy')
      expect(LISTENS_ON[hostname], `${setting} of ${name}`).toBe(Number(port))
      return setting
    }),
  )
  expect(new Set(checked).size).toBe(6)
})

test('the ports by which the compose file names its servers are those it configures them with', () => {
  const { kafka, registry, s3, mlflow } = compose.services
  expect(kafka?.environment?.KAFKA_LISTENERS).toContain(`://:${LISTENS_ON.kafka},`)
  expect(kafka?.environment?.KAFKA_ADVERTISED_LISTENERS).toContain(`://kafka:${LISTENS_ON.kafka},`)
  expect(registry?.environment?.QUARKUS_HTTP_PORT).toBe(LISTENS_ON.registry)
  expect(registry?.environment?.KAFKA_BOOTSTRAP_SERVERS).toBe(`kafka:${LISTENS_ON.kafka}`)
  expect(s3?.environment?.VGW_PORT).toBe(`:${LISTENS_ON.s3}`)
  expect(mlflow?.command).toContain(`--port=${LISTENS_ON.mlflow}`)
  expect(mlflow?.command?.find((part) => part.startsWith('--allowed-hosts='))).toContain(`mlflow:${LISTENS_ON.mlflow}`)
  for (const name of ['clickhouse', 'mlflow', 's3', 'prometheus', 'grafana']) {
    expect(compose.services[name]?.healthcheck?.test.join(' '), name).toContain(`127.0.0.1:${LISTENS_ON[name]}/`)
  }
  for (const [name, { ports = [] }] of services)
    for (const port of ports) expect(published(port).inside, `${name} publishes ${port}`).toBe(insideOf(name, port))
})

test('every image is pinned to a version, every service has a health check, every port is on the loopback address', () => {
  expect(services.length).toBeGreaterThanOrEqual(12)
  const images = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image = '']) =>
    image.replace('${NODE_VERSION}', /^ARG NODE_VERSION=(\S+)$/m.exec(read('Dockerfile'))?.[1] ?? ''),
  )
  expect(images).toHaveLength(3)
  for (const image of [...images, ...services.map(([, { image }]) => image)])
    expect(image).toMatch(/:v?\d+\.\d+\.\d+[\w.-]*$/)
  for (const [name, { healthcheck, ports = [] }] of services) {
    expect(healthcheck?.test.length, name).toBeGreaterThanOrEqual(2)
    for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:/)
  }
})

test('the image has the Node version that the tests run on, and the version of the package', () => {
  const { version, devDependencies } = JSON.parse(read('package.json'))
  expect(read('Dockerfile')).toContain(`ARG NODE_VERSION=${devDependencies.node}\n`)
  expect(ours.map(([, { image }]) => image)).toEqual(ours.map(() => `millrace:${version}`))
})

test('every password must be given, and the development file gives exactly those that must', () => {
  const text = read('docker-compose.yml').replace(/^\s*#.*$/gm, '')
  const required = new Set([...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name))
  expect([...required].sort()).toEqual(Object.keys(development).sort())
  for (const [, variable = '', fallback] of text.matchAll(/(?<!\$)\$\{(\w+)(?::-([^}]*))?\}/g)) {
    expect(variable).not.toMatch(/PASSWORD|SECRET|KEY$/)
    expect(fallback, variable).toBeDefined()
  }
  const secrets = services.flatMap(([name, { environment = {} }]) =>
    Object.entries(environment)
      .filter(([variable]) => /PASSWORD|SECRET|ACCESS_KEY|AUTH$/.test(variable))
      .map(([variable, value]) => [`${variable} of ${name}`, String(value)] as const),
  )
  expect(secrets.length).toBeGreaterThanOrEqual(5)
  for (const [what, value] of secrets) expect(value, what).toMatch(/^\$\{\w+:\?[^}]+\}$/)
})

test('every volume of the compose file is declared, and what it mounts from here exists', () => {
  const mounted = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0] ?? ''))
  for (const source of mounted.filter((name) => name.startsWith('./')))
    expect(() => readdirOrFile(source)).not.toThrow()
  const named = mounted.filter((name) => /^[a-z]/.test(name))
  expect(named.sort()).toEqual(Object.keys(compose.volumes).sort())
})

test('Prometheus scrapes every Millrace service where it serves its metrics, and Grafana asks that Prometheus', () => {
  const prometheus = parse(read('monitoring/prometheus.yml')) as {
    scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; port: number }[] }[]
  }
  const scraped = prometheus.scrape_configs.map(({ dns_sd_configs: [found] }) => [found?.names[0], found?.port])
  expect(Object.fromEntries(scraped)).toEqual(
    Object.fromEntries(ours.map(([name, service]) => [name, settingsOf(service).PORT])),
  )
  const { datasources } = parse(read('monitoring/grafana/provisioning/datasources/prometheus.yml'))
  expect(datasources[0].url).toBe(`http://prometheus:${LISTENS_ON.prometheus}`)
  const { providers } = parse(read('monitoring/grafana/provisioning/dashboards/millrace.yml'))
  expect(compose.services.grafana?.volumes).toContain(`./monitoring/grafana/dashboards:${providers[0].options.path}:ro`)
  const sources = dashboard.panels.flatMap((panel) => panel.targets ?? []).map((target) => target.datasource.uid)
  expect(new Set(sources)).toEqual(new Set([datasources[0].uid]))
})

const dashboard: {
  panels: { title: string; targets?: { expr: string; legendFormat: string; datasource: { uid: string } }[] }[]
} = JSON.parse(read('monitoring/grafana/dashboards/millrace.json'))

const stack = new AsyncDisposableStack()
const labelsOf = new Map<string, ReadonlySet<string>>()
beforeAll(async () => {
  const folder = stack.use(await temporaryFolder('deployment')).path
  const settings = loadConfig(Settings, { DATA_DIR: folder, PORT: '0', TRAIN_SCHEDULE: 'never', LOG_LEVEL: 'silent' })
  const metrics = createMetrics()
  const logger = createLogger(settings, { terminal: false, stream: new Writable({ write: (_c, _e, done) => done() }) })
  const context = { settings, eventWeights: parseEventWeights(settings), logger, metrics, now: Date.now }
  const running = stack.use(await startMillrace(context, new AbortController().signal))
  const served = await (await fetch(`${running.url}/metrics`)).text()
  for (const [, name = '', type] of served.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const metric = metrics.getSingleMetric(name) as unknown as { labelNames: string[] }
    const labels = new Set([...metric.labelNames, ...SCRAPED_LABELS])
    if (type !== 'histogram') labelsOf.set(name, labels)
    else for (const part of ['bucket', 'sum', 'count']) labelsOf.set(`${name}_${part}`, new Set([...labels, 'le']))
  }
  labelsOf.set('up', new Set(SCRAPED_LABELS))
})
afterAll(() => stack.disposeAsync())

test('every query of the dashboard is about metrics and labels that the services export', () => {
  const targets = dashboard.panels.flatMap((panel) => panel.targets ?? [])
  expect(targets.length).toBeGreaterThan(30)
  for (const { expr, legendFormat } of targets) {
    const metrics = metricsIn(expr)
    expect(metrics.length, expr).toBeGreaterThan(0)
    for (const metric of metrics) {
      expect([...labelsOf.keys()], expr).toContain(metric)
      for (const label of [...groupedBy(expr), ...labelsIn(legendFormat)])
        expect([...(labelsOf.get(metric) ?? [])], `${expr} shown as ${legendFormat}`).toContain(label)
    }
  }
})

test('the dashboard shows everything that the operators of a recommender ask for', () => {
  const asked = new Set(dashboard.panels.flatMap((panel) => panel.targets ?? []).flatMap(({ expr }) => metricsIn(expr)))
  for (const metric of [
    ...['events_accepted_total', 'kafka_consumergroup_lag', 'kafka_consumergroup_group_lag_seconds'],
    ...['event_freshness_seconds_bucket', 'recommendation_latency_seconds_bucket', 'recommendation_lists_total'],
    ...['ml_training_duration_seconds_sum', 'ml_model_accuracy', 'dead_letters_total'],
  ])
    expect([...asked]).toContain(metric)
})

/** The image's own defaults where the compose file configures no port. */
const LISTENS_ON: Readonly<Record<string, number>> = {
  ...{ kafka: 9092, registry: 8080, clickhouse: 8123, redis: 6379, mlflow: 5000, s3: 7070 },
  ...{ prometheus: 9090, grafana: 3000 },
}
const KAFKA_HOST_PORT = 9094
const SCRAPED_LABELS = ['job', 'instance']

const READERS = {
  LOG_URL: parseKafkaUrl,
  EVENT_STORE_URL: parseClickHouseAddress,
  USER_STATE_URL: parseRedisAddress,
  MODEL_REGISTRY_URL: readAddress,
  ARTIFACTS_URL: readLocation,
} as const
const BACKEND_OF_SETTING = {
  LOG_URL: 'log',
  EVENT_STORE_URL: 'eventStore',
  USER_STATE_URL: 'userState',
  MODEL_REGISTRY_URL: 'modelRegistry',
  ARTIFACTS_URL: 'artifacts',
} as const

function backendsOf(name: string): readonly string[] {
  return BACKENDS_OF[name as keyof typeof BACKENDS_OF]
}

/** Where the URLs of a service's settings lead to. */
function targetsOf(settings: Settings): Readonly<Record<string, string>> {
  const { endpoint } = settings.ARTIFACTS_URL ? readLocation(settings.ARTIFACTS_URL) : { endpoint: '' }
  const targets = { ...settings, ARTIFACTS_URL: endpoint ?? '' }
  const urls = ['SCHEMA_REGISTRY_URL', ...Object.keys(READERS)] as (keyof typeof READERS)[]
  return Object.fromEntries(urls.map((name) => [name, targets[name]]).filter(([, url]) => url !== ''))
}

/** Its settings as the process reads them: the image's environment, then the compose file's with development's values. */
function settingsOf({ environment = {} }: ComposeService): Settings {
  const resolved = Object.entries(environment).map(([name, value]) => [name, substituted(String(value))])
  return loadConfig(Settings, { ...imageDefaults, ...Object.fromEntries(resolved) })
}

function substituted(value: string): string {
  return value.replace(/\$\{(\w+):[-?]([^}]*)\}/g, (whole, name: string, rest: string) =>
    whole.includes(':?') ? (development[name] ?? '') : rest,
  )
}

function published(port: string): { outside: string; inside: number } {
  const [, outside = '', inside] = /^127\.0\.0\.1:(.+):(\d+)$/.exec(port) ?? []
  return { outside, inside: Number(inside) }
}

function insideOf(name: string, port: string): number | undefined {
  if (name === 'kafka' && published(port).outside === String(KAFKA_HOST_PORT)) return KAFKA_HOST_PORT
  const service = compose.services[name]
  return service?.build === undefined ? LISTENS_ON[name] : settingsOf(service).PORT
}

function assignments(file: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...read(file).matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]))
}

function readdirOrFile(path: string): unknown {
  return path.endsWith('.yml') ? read(path) : readdirSync(path)
}

/** Names in a PromQL expression that are neither functions, keywords, labels nor label values. */
function metricsIn(expr: string): string[] {
  const bare = expr
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replace(/\b(by|without)\s*\([^)]*\)/g, ' ')
    .replace(/\b[a-z_]+\s*\(/g, ' ')
  return [...new Set(bare.match(/\b[a-z_][a-z0-9_]*\b/g) ?? [])].filter((name) => name !== 'or')
}

/** Labels that an expression groups by or selects. */
function groupedBy(expr: string): string[] {
  const grouped = [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(/\s*,\s*/))
  const selected = [...expr.matchAll(/[{,]\s*(\w+)\s*[=!]/g)].map(([, label = '']) => label)
  return [...grouped, ...selected]
}

function labelsIn(legend: string): string[] {
  return [...legend.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, label = '']) => label)
}
