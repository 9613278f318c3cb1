import { MillraceError } from '../../../schemas/errors.ts'

const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const
const SESSION_TIMEOUT_MS = { min: 1_000, max: 1_800_000, default: 10_000 }

/** Everything LOG_URL says about a Kafka cluster. */
export interface KafkaAddress {
  readonly brokers: readonly string[]
  readonly sasl: {
    readonly mechanism: (typeof SASL_MECHANISMS)[number]
    readonly username: string
    readonly password: string
  } | null
  /** null: no TLS. Files are PEM; without `caFile` the machine's authorities count. */
  readonly tls: {
    readonly caFile: string | null
    readonly certFile: string | null
    readonly keyFile: string | null
  } | null
  readonly compression: (typeof COMPRESSIONS)[number]
  /** A member that was not heard of for this long loses its partitions. */
  readonly sessionTimeoutMs: number
  /** Copies of each partition of a topic that is created; null: the broker's default. */
  readonly replication: number | null
  readonly clientId: string
}

/**
 * Reads `kafka://[user:password@]host:port,host:port[?parameter=value&...]`. Parameters: tls=true, ca, cert and key (PEM
 * files), mechanism (plain, scram-sha-256, scram-sha-512), compression (gzip, zstd, none), sessionTimeoutMs, replication,
 * clientId. User and password are percent-encoded.
 * @throws MillraceError CONFIG_INVALID naming what is wrong, never the password.
 */
export function parseKafkaUrl(url: string): KafkaAddress {
  const match = /^kafka:\/\/(?:([^@/?]*)@)?([^@/?]+)\/?(?:\?(.*))?$/.exec(url)
  if (match === null) throw invalid('is not of the form kafka://[user:password@]host:port,host:port?parameter=value')
  const [, credentials, hosts = '', query = ''] = match
  const parameters = new Map(new URLSearchParams(query))
  const take = (name: string): string | null => {
    const value = parameters.get(name) ?? null
    parameters.delete(name)
    return value
  }
  const files = { caFile: take('ca'), certFile: take('cert'), keyFile: take('key') }
  const usesTls = oneOf('tls', take('tls') ?? 'false', ['true', 'false'] as const) === 'true'
  if (!usesTls && Object.values(files).some((file) => file !== null))
    throw invalid('has ca, cert or key without tls=true')
  const address: KafkaAddress = {
    brokers: hosts.split(',').map(brokerOf),
    sasl: saslOf(credentials ?? null, take('mechanism')),
    tls: usesTls ? files : null,
    compression: oneOf('compression', take('compression') ?? 'gzip', COMPRESSIONS),
    sessionTimeoutMs: integer('sessionTimeoutMs', take('sessionTimeoutMs'), SESSION_TIMEOUT_MS),
    replication: integer('replication', take('replication'), { min: 1, max: 32, default: 0 }) || null,
    clientId: take('clientId') ?? 'millrace',
  }
  const [unknown] = parameters.keys()
  if (unknown !== undefined) throw invalid(`has an unknown parameter ${unknown}`)
  return address
}

function brokerOf(text: string): string {
  const [, host, portText] = /^(\[[0-9a-fA-F:]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(text) ?? []
  const port = Number(portText ?? 9_092)
  if (host === undefined || port < 1 || port > 65_535)
    throw invalid(`has an unusable broker "${text}"; write host:port`)
  return `${host}:${port}`
}

function saslOf(credentials: string | null, mechanism: string | null): KafkaAddress['sasl'] {
  if (credentials === null) {
    if (mechanism !== null) throw invalid('has a mechanism but no user:password@')
    return null
  }
  const [, username = '', password] = /^([^:]+):(.*)$/.exec(credentials) ?? []
  if (username === '' || password === undefined) throw invalid('has credentials that are not user:password')
  return {
    mechanism: oneOf('mechanism', mechanism ?? 'plain', SASL_MECHANISMS),
    username: decoded(username),
    password: decoded(password),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('has credentials with a broken percent-encoding')
  }
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T
  throw invalid(`has ${name}=${value}; possible are ${allowed.join(', ')}`)
}

function integer(name: string, text: string | null, range: { min: number; max: number; default: number }): number {
  if (text === null) return range.default
  const value = Number(text)
  if (Number.isInteger(value) && value >= range.min && value <= range.max) return value
  throw invalid(`has ${name}=${text}; it is a whole number from ${range.min} to ${range.max}`)
}

function invalid(problem: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', `LOG_URL ${problem}`, { field: 'LOG_URL' })
}
