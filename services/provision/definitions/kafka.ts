import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Launch, ServiceDefinition, ServicePlace } from '../definition.ts'
import { logFile } from '../server-process.ts'
import { fetchWithDependencies, runTool } from '../tool.ts'

const VERSION = '4.4.0'
/** The broker's own artifact carries no logging binding. */
const LOG_BINDING = 'org.apache.logging.log4j:log4j-slf4j-impl:2.25.5'
const HEAP = '512m'

/** Of development and tests; the server listens on the loopback address only. */
export const SASL_USER = { username: 'millrace', password: 'millrace-development' }
/** The certificate of the secure listener, below the instance's data folder: its own authority, for 127.0.0.1. */
export const CERTIFICATE_FILE = 'certificate.pem'

/**
 * One Apache Kafka node, broker and controller (KRaft); topics are created on request only. Its second extra port takes
 * TLS with SASL (plain and SCRAM), for clients that are to be tried with it.
 */
export const kafka: ServiceDefinition = {
  needs: { java: 'default-jre-headless', mvn: 'maven', openssl: 'openssl' },
  release: `kafka-${VERSION}`,
  defaultPort: 19_092,
  extraPorts: 2,
  setting: 'LOG_URL',
  url: (port) => `kafka://127.0.0.1:${port}`,
  async install(distFolder) {
    await fetchWithDependencies([`org.apache.kafka:kafka_2.13:${VERSION}`, LOG_BINDING], distFolder)
  },
  async prepare(place) {
    const properties = join(place.dataFolder, 'server.properties')
    const logging = join(place.dataFolder, 'log4j2.properties')
    await writeFile(properties, serverProperties(place))
    await writeFile(logging, LOGGING)
    await makeCertificate(place)
    const formatted = await readFile(join(place.dataFolder, 'logs', 'meta.properties')).catch(() => null)
    if (formatted === null) {
      const { command, args } = java(place, '128m', 'kafka.tools.StorageTool')
      const users = SCRAM_MECHANISMS.flatMap((mechanism) => ['--add-scram', scramUser(mechanism)])
      await runTool(command, [...args, 'format', '-t', clusterId(), '-c', properties, ...users])
    }
    const { command, args } = java(place, HEAP, 'kafka.Kafka')
    return { command, args: [...args, properties] }
  },
  async isHealthy({ dataFolder, port }) {
    const log = await readFile(logFile(dataFolder), 'utf8')
    return log.includes('Kafka Server started') && (await accepts(port))
  },
}

function java({ distFolder, dataFolder }: ServicePlace, heap: string, mainClass: string): Launch {
  const logging = `-Dlog4j2.configurationFile=${join(dataFolder, 'log4j2.properties')}`
  const options = [`-Xmx${heap}`, '-XX:+UseSerialGC', logging, `-Dkafka.logs.dir=${dataFolder}`]
  return { command: 'java', args: [...options, '-cp', join(distFolder, '*'), mainClass] }
}

/** 16 random bytes in base64url; a leading dash would be taken for an option. */
function clusterId(): string {
  return randomBytes(16).toString('base64url').replace(/^-/, 'A')
}

/** Small on purpose: few partitions of the internal topics, few threads, no waiting for a group's first members. */
function serverProperties({ dataFolder, port, extraPorts: [controllerPort, securePort] }: ServicePlace): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort},SECURE://127.0.0.1:${securePort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port},SECURE://127.0.0.1:${securePort}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL
listener.name.secure.sasl.enabled.mechanisms=PLAIN,${SCRAM_MECHANISMS.join()}
listener.name.secure.plain.sasl.jaas.config=${PLAIN_LOGIN} user_${SASL_USER.username}="${SASL_USER.password}";
${SCRAM_MECHANISMS.map((name) => `listener.name.secure.${name.toLowerCase()}.sasl.jaas.config=${SCRAM_LOGIN};`).join('\n')}
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=${join(dataFolder, KEYSTORE_FILE)}
inter.broker.listener.name=PLAINTEXT
log.dirs=${join(dataFolder, 'logs')}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
log.segment.bytes=67108864
log.cleaner.backoff.ms=1000
`
}

const KEYSTORE_FILE = 'keystore.pem'
const PLAIN_LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
const SCRAM_LOGIN = 'org.apache.kafka.common.security.scram.ScramLoginModule required'
const SCRAM_MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-512']

function scramUser(mechanism: string): string {
  return `${mechanism}=[name=${SASL_USER.username},password=${SASL_USER.password}]`
}

async function makeCertificate({ dataFolder }: ServicePlace): Promise<void> {
  const [keyFile, certificateFile] = [join(dataFolder, 'key.pem'), join(dataFolder, CERTIFICATE_FILE)]
  const keystore = join(dataFolder, KEYSTORE_FILE)
  if ((await readFile(keystore).catch(() => null)) !== null) return
  await runTool('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', '-subj', '/CN=127.0.0.1'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certificateFile],
  ])
  await writeFile(keystore, `${await readFile(keyFile, 'utf8')}${await readFile(certificateFile, 'utf8')}`, {
    mode: 0o600,
  })
}

const LOGGING = `status=ERROR
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRef.c.ref=C
logger.k.name=kafka.server.KafkaRaftServer
logger.k.level=INFO
`

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
