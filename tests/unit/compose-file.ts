// The deployment's files as a test reads them, and what they come to for a Millrace service in development.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { loadConfig } from '../../schemas/config.ts'
import { Settings } from '../../schemas/settings.ts'

export interface ComposeService {
  readonly image: string
  readonly build?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
}

export const read = (file: string) => readFileSync(file, 'utf8')

export const compose: { services: Record<string, ComposeService>; volumes: Record<string, null> } = parse(
  read('docker-compose.yml'),
  { merge: true },
)
export const services = Object.entries(compose.services)
/** Those that are Millrace. */
export const ours = Object.entries(compose.services).filter(([, service]) => service.build !== undefined)
export const development = assignments('compose.dev.env.example')
export const imageDefaults = Object.fromEntries(
  [...read('Dockerfile').matchAll(/^ENV (.*)$/gm)].flatMap(([, line = '']) =>
    line.split(' ').map((assignment) => assignment.split('=') as [string, string]),
  ),
)

/** The image's own defaults where the compose file configures no port. */
export const LISTENS_ON: Readonly<Record<string, number>> = {
  ...{ kafka: 9092, registry: 8080, clickhouse: 8123, redis: 6379, mlflow: 5000, s3: 7070 },
  ...{ prometheus: 9090, grafana: 3000 },
}

/** Its settings as the process reads them: the image's environment, then the compose file's with development's values. */
export function settingsOf({ environment = {} }: ComposeService): Settings {
  const resolved = Object.entries(environment).map(([name, value]) => [name, substituted(String(value))])
  return loadConfig(Settings, { ...imageDefaults, ...Object.fromEntries(resolved) })
}

function substituted(value: string): string {
  return value.replace(/\$\{(\w+):[-?]([^}]*)\}/g, (whole, name: string, rest: string) =>
    whole.includes(':?') ? (development[name] ?? '') : rest,
  )
}

function assignments(file: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...read(file).matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]))
}
