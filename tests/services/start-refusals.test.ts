import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CERTIFICATE_FILE } from '../../services/provision/definitions/kafka.ts'
import { freePort } from '../../services/provision/free-port.ts'
import type { ServiceName } from '../../services/runtime/context.ts'
import { millrace, temporaryFolder } from '../support/process.ts'
import { type ClusterSettings, clusterSettings } from './cluster-settings.ts'
import { type PrivateServices, startPrivateServices } from './private-services.ts'
import { serviceUrl } from './service-url.ts'

const PASSWORD = 'not-the-password'

let kafka: PrivateServices
let servers: ClusterSettings
let nobody: string

beforeAll(async () => {
  kafka = await startPrivateServices(['kafka'])
  servers = await clusterSettings((name) => (name === 'kafka' ? kafka.url(name) : serviceUrl(name)))
  nobody = `127.0.0.1:${await freePort()}`
})
afterAll(async () => {
  await servers?.[Symbol.asyncDispose]()
  await kafka?.[Symbol.asyncDispose]()
})

/** `host:port` of a server with these credentials before it. */
const withPassword = (url: string) => url.replace(/\/\/([^@/]*@)?/, `//somebody:${PASSWORD}@`)

const CASES: readonly (readonly [name: string, service: ServiceName, setting: string, url: () => string])[] = [
  ['no broker there', 'edge', 'LOG_URL', () => `kafka://${nobody}`],
  ['a broker that refuses the password', 'sink', 'LOG_URL', () => `${secureUrl()}&mechanism=plain`],
  ['a URL of another kind', 'updater', 'LOG_URL', () => 'http://127.0.0.1/'],
  ['no registry there', 'sink', 'SCHEMA_REGISTRY_URL', () => `http://${nobody}`],
  ['a registry that is none', 'sink', 'SCHEMA_REGISTRY_URL', () => 'not a url'],
  ['no event store there', 'sink', 'EVENT_STORE_URL', () => `http://${nobody}/db`],
  ['an event store that refuses the password', 'sink', 'EVENT_STORE_URL', () => wrongStore()],
  ['no user state there', 'updater', 'USER_STATE_URL', () => `redis://${nobody}`],
  ['a user state that refuses the password', 'edge', 'USER_STATE_URL', () => withPassword(serviceUrl('redis'))],
  ['a model registry that is no URL', 'trainer', 'MODEL_REGISTRY_URL', () => 'ftp://127.0.0.1/'],
  ['artifacts without an endpoint', 'trainer', 'ARTIFACTS_URL', () => `s3://key:${PASSWORD}@/`],
]

function secureUrl(): string {
  const [, port] = kafka.extraPorts('kafka')
  const certificate = encodeURIComponent(join(kafka.dataFolder('kafka'), CERTIFICATE_FILE))
  return `kafka://somebody:${PASSWORD}@127.0.0.1:${port}?tls=true&ca=${certificate}`
}

function wrongStore(): string {
  return withPassword(servers.settings.EVENT_STORE_URL ?? '')
}

describe.concurrent('a wrong setting ends the start with one line that names it, and an exit code that is not 0', () => {
  test.each(CASES)('%s: %s, %s', { timeout: 90_000 }, async (_name, service, setting, url) => {
    await using folder = await temporaryFolder('refusal')
    const wrong = { [setting]: url(), DATA_DIR: folder.path, PORT: '0', LOG_LEVEL: 'warn' }
    const { code, output } = await millrace([service], { ...servers.settings, ...wrong })
    expect(code, output).toBe(1)
    expect(output.trim().split('\n'), output).toHaveLength(1)
    expect(output).toMatch(new RegExp(`^millrace: .*${setting}.*\\[(CONFIG_INVALID|[A-Z]+_UNAVAILABLE)\\]\\n$`))
    expect(output).not.toContain(PASSWORD)
  })
})
