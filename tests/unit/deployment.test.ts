// What can be known of the deployment without Docker: that its files agree with each other and with the services.
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'
import { BACKENDS_OF } from '../../services/runtime/context.ts'
import { readLocation } from '../../stores/artifacts/s3/location.ts'
import { parseClickHouseAddress } from '../../stores/event-store/clickhouse/address.ts'
import { readAddress } from '../../stores/model-registry/mlflow/address.ts'
import { parseRedisAddress } from '../../stores/user-state/redis/address.ts'
import { parseKafkaUrl } from '../../streams/event-log/kafka/address.ts'
import { compose, development, imageDefaults, LISTENS_ON, ours, read, services, settingsOf } from './compose-file.ts'

const names = Object.keys(BACKENDS_OF) as (keyof typeof BACKENDS_OF)[]
const settingNames = Object.keys(Settings.properties)
const KAFKA_HOST_PORT = 9094

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
    image.replace(/\$\{NODE_VERSION\}/, /^ARG NODE_VERSION=(\S+)$/m.exec(read('Dockerfile'))?.[1] ?? ''),
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

function published(port: string): { outside: string; inside: number } {
  const [, outside = '', inside] = /^127\.0\.0\.1:(.+):(\d+)$/.exec(port) ?? []
  return { outside, inside: Number(inside) }
}

function insideOf(name: string, port: string): number | undefined {
  if (name === 'kafka' && published(port).outside === String(KAFKA_HOST_PORT)) return KAFKA_HOST_PORT
  const service = compose.services[name]
  return service?.build === undefined ? LISTENS_ON[name] : settingsOf(service).PORT
}

function readdirOrFile(path: string): unknown {
  return path.endsWith('.yml') ? read(path) : readdirSync(path)
}
