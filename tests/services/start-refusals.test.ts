import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CERTIFICATE_FILE } from '../../services/provision/definitions/kafka.ts'
import { freePort } from '../../services/provision/free-port.ts'
import type { ServiceName } from '../../services/runtime/context.ts'
import { millrace, temporaryFolder } from '../support/process.ts'
import { type ClusterSettings, clusterSettings } from './cluster-settings.ts'
import { type HttpGate, openGate } from './http-gate.ts'
import { type PrivateServices, startPrivateServices } from './private-services.ts'
import { serviceUrl } from './service-url.ts'

const PASSWORD = 'not-the-password'

/** A broker, and a registry whose subject of interactions is somebody else's. */
let own: PrivateServices
let servers: ClusterSettings
let nobody: string
/** A server that lets nobody in. */
let doorman: HttpGate

beforeAll(async () => {
  own = await startPrivateServices(['kafka', 'registry'])
  servers = await clusterSettings((name) => (name === 'kafka' ? own.url(name) : serviceUrl(name)))
  await spoilSubject(own.url('registry'))
  doorman = await openGate(serviceUrl('mlflow'))
  doorman.decide(() => 'refuse')
  nobody = `127.0.0.1:${await freePort()}`
})
afterAll(async () => {
  await doorman?.[Symbol.asyncDispose]()
  await servers?.[Symbol.asyncDispose]()
  await own?.[Symbol.asyncDispose]()
})

/** `host:port` of a server with these credentials before it. */
const withPassword = (url: string) => url.replace(/\/\/([^@/]*@)?/, `//somebody:${PASSWORD}@`)

type Case = readonly [name: string, service: ServiceName, setting: string, url: () => string]

/** Every setting of every service, its server away. */
const AWAY: readonly Case[] = Object.entries({
  LOG_URL: { services: ['edge', 'sink', 'updater', 'trainer'], url: () => `kafka://${nobody}` },
  SCHEMA_REGISTRY_URL: { services: ['edge', 'sink', 'updater', 'trainer'], url: () => `http://${nobody}` },
  EVENT_STORE_URL: { services: ['edge', 'sink', 'updater', 'trainer'], url: () => `http://${nobody}/db` },
  USER_STATE_URL: { services: ['edge', 'updater'], url: () => `redis://${nobody}` },
  MODEL_REGISTRY_URL: { services: ['edge', 'updater', 'trainer'], url: () => `http://${nobody}` },
  ARTIFACTS_URL: {
    services: ['edge', 'updater', 'trainer'],
    url: () => artifacts(/endpoint=.*/, `endpoint=http://${nobody}`),
  },
} as const).flatMap(([setting, { services, url }]) =>
  services.map((service): Case => ['nobody there', service, setting, url]),
)

/** Every way to be wrong of every setting. */
const WRONG: readonly Case[] = [
  ['no such host', 'trainer', 'LOG_URL', () => 'kafka://nowhere.invalid:9092'],
  ['a refused password', 'sink', 'LOG_URL', () => secureUrl()],
  ['a certificate that nobody signed', 'updater', 'LOG_URL', () => secureUrl().replace(/&ca=.*/, '')],
  ['a certificate file that is not there', 'edge', 'LOG_URL', () => `${secureUrl()}.missing`],
  ['TLS to a plain port', 'sink', 'LOG_URL', () => `${own.url('kafka')}?tls=true`],
  ['no TLS to a port that wants it', 'edge', 'LOG_URL', () => secureUrl().replace(/\?.*/, '')],
  ['a server that is no broker', 'updater', 'LOG_URL', () => serviceUrl('redis').replace('redis:', 'kafka:')],
  ['another scheme', 'updater', 'LOG_URL', () => 'http://127.0.0.1/'],
  ['no URL', 'sink', 'SCHEMA_REGISTRY_URL', () => 'not a url'],
  ['a refused password', 'edge', 'SCHEMA_REGISTRY_URL', () => withPassword(doorman.url)],
  ['a server that is no registry', 'trainer', 'SCHEMA_REGISTRY_URL', () => serviceUrl('mlflow')],
  ['a subject of an incompatible schema', 'sink', 'SCHEMA_REGISTRY_URL', () => own.url('registry')],
  ['TLS to a plain port', 'updater', 'SCHEMA_REGISTRY_URL', () => secured(serviceUrl('registry'))],
  ['a refused password', 'sink', 'EVENT_STORE_URL', () => withPassword(servers.settings.EVENT_STORE_URL ?? '')],
  [
    'no such database',
    'trainer',
    'EVENT_STORE_URL',
    () => `${serviceUrl('clickhouse').replace(/[^/]*$/, '')}no_such_database`,
  ],
  ['a server that is none', 'edge', 'EVENT_STORE_URL', () => `${serviceUrl('mlflow')}/default`],
  ['TLS to a plain port', 'updater', 'EVENT_STORE_URL', () => secured(serviceUrl('clickhouse'))],
  ['a refused password', 'edge', 'USER_STATE_URL', () => withPassword(serviceUrl('redis'))],
  ['a server that is no Redis', 'updater', 'USER_STATE_URL', () => serviceUrl('mlflow').replace('http:', 'redis:')],
  ['TLS to a plain port', 'updater', 'USER_STATE_URL', () => serviceUrl('redis').replace('redis:', 'rediss:')],
  ['another scheme', 'edge', 'USER_STATE_URL', () => 'http://127.0.0.1/'],
  ['another scheme', 'trainer', 'MODEL_REGISTRY_URL', () => 'ftp://127.0.0.1/'],
  ['a refused password', 'edge', 'MODEL_REGISTRY_URL', () => withPassword(doorman.url)],
  ['a server that is no MLflow', 'updater', 'MODEL_REGISTRY_URL', () => new URL(serviceUrl('clickhouse')).origin],
  ['TLS to a plain port', 'trainer', 'MODEL_REGISTRY_URL', () => secured(serviceUrl('mlflow'))],
  ['no bucket', 'trainer', 'ARTIFACTS_URL', () => `s3://key:${PASSWORD}@/`],
  ['a refused secret', 'edge', 'ARTIFACTS_URL', () => artifacts(/:[^:@/]+@/, `:${PASSWORD}@`)],
  ['a key id that nobody has', 'updater', 'ARTIFACTS_URL', () => artifacts(/\/\/[^@]+@/, `//somebody:${PASSWORD}@`)],
  ['no such bucket', 'trainer', 'ARTIFACTS_URL', () => artifacts(/@[^/]+/, '@no-such-bucket')],
  ['TLS to a plain port', 'edge', 'ARTIFACTS_URL', () => artifacts(/endpoint=http:/, 'endpoint=https:')],
]

const secured = (url: string) => url.replace('http:', 'https:')

function artifacts(part: RegExp, wrong: string): string {
  return (servers.settings.ARTIFACTS_URL ?? '').replace(part, wrong)
}

function secureUrl(): string {
  const [, port] = own.extraPorts('kafka')
  const certificate = encodeURIComponent(join(own.dataFolder('kafka'), CERTIFICATE_FILE))
  return `kafka://somebody:${PASSWORD}@127.0.0.1:${port}?tls=true&mechanism=plain&ca=${certificate}`
}

describe.concurrent('a wrong setting ends the start with one line that names it, and an exit code that is not 0', () => {
  test.each([...AWAY, ...WRONG])('%s: %s, %s', { timeout: 90_000 }, async (_name, service, setting, url) => {
    await using folder = await temporaryFolder('refusal')
    const wrong = { [setting]: url(), DATA_DIR: folder.path, PORT: '0', LOG_LEVEL: 'warn' }
    const { code, output } = await millrace([service], { ...servers.settings, ...wrong })
    expect(code, output).toBe(1)
    expect(output.trim().split('\n'), output).toHaveLength(1)
    expect(output).toMatch(
      new RegExp(`^millrace: .*${setting}.*\\[(CONFIG_INVALID|CONFLICT|[A-Z]+_UNAVAILABLE)\\]\\n$`),
    )
    expect(output).not.toContain(PASSWORD)
  })
})

async function spoilSubject(registry: string): Promise<void> {
  const schema = JSON.stringify({ type: 'record', name: 'Other', fields: [{ name: 'tenant', type: 'string' }] })
  const answer = await fetch(`${registry}/subjects/interactions-value/versions`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ schema }) },
  })
  expect(answer.status).toBe(200)
}
