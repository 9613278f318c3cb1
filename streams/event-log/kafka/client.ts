import { readFile } from 'node:fs/promises'
import kafkajs, { type Broker, type Cluster, type Kafka, type KafkaConfig } from 'kafkajs'
import { MillraceError } from '../../../schemas/errors.ts'
import type { KafkaAddress } from './address.ts'
import { addCodecs } from './codecs.ts'
import { mendConnection } from './connection.ts'
import { mendRequestQueue } from './request-queue.ts'
import { createSockets, type Sockets } from './socket.ts'

const CONNECTION_TIMEOUT_MS = 3_000
const REQUEST_TIMEOUT_MS = 10_000
/** Metadata older than this is asked for again: leaders that moved, partitions that were added. */
const METADATA_AGE_MAX_MS = 10_000
/** Few and short: whoever calls decides how long to go on. */
export const CLIENT_RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 2 }

/** The client of one cluster. Nothing is connected yet. @throws MillraceError CONFIG_INVALID for unreadable TLS files. */
export async function createClient(address: KafkaAddress): Promise<{ kafka: Kafka; sockets: Sockets }> {
  mendRequestQueue()
  mendConnection()
  const sockets = createSockets()
  addCodecs()
  const config: KafkaConfig = {
    clientId: address.clientId,
    brokers: [...address.brokers],
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: CLIENT_RETRY,
    logLevel: kafkajs.logLevel.NOTHING,
    socketFactory: sockets.create,
    ...(address.tls === null ? {} : { ssl: await tlsOptions(address.tls) }),
  }
  if (address.sasl !== null) config.sasl = address.sasl as NonNullable<KafkaConfig['sasl']>
  return { kafka: new kafkajs.Kafka(config), sockets }
}

/** A broker as the coordinator of a group; the client has these calls without declaring them. */
export interface Coordinator extends Pick<Broker, 'offsetCommit' | 'offsetFetch'> {
  joinGroup(request: {
    groupId: string
    sessionTimeout: number
    rebalanceTimeout: number
    memberId: string
    groupProtocols: readonly { name: string; metadata: Buffer }[]
  }): Promise<{
    generationId: number
    leaderId: string
    memberId: string
    members: readonly { memberId: string; memberMetadata: Buffer }[]
  }>
  syncGroup(request: {
    groupId: string
    generationId: number
    memberId: string
    groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[]
  }): Promise<{ memberAssignment: Buffer }>
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
}

/**
 * A connection to the cluster of its own, at the level of brokers and requests. The client gives it only to partition
 * assigners, so a consumer that never runs asks for one. A request that waits (a long poll, a join) holds up those
 * behind it on the same connection: waiting requests need a cluster of their own.
 */
export async function openCluster(kafka: Kafka): Promise<Cluster & AsyncDisposable> {
  const captured: Cluster[] = []
  const consumer = kafka.consumer({
    groupId: 'millrace-connection',
    allowAutoTopicCreation: false,
    metadataMaxAge: METADATA_AGE_MAX_MS,
    retry: CLIENT_RETRY,
    partitionAssigners: [
      ({ cluster }) => {
        captured.push(cluster)
        return { name: 'none', version: 0, assign: async () => [], protocol: () => ({ name: 'none', metadata: EMPTY }) }
      },
    ],
  })
  const [cluster] = captured
  if (cluster === undefined) throw new Error('the Kafka client gave no cluster to a partition assigner')
  await consumer.connect()
  return Object.assign(cluster, {
    [Symbol.asyncDispose]: async () => {
      await consumer.disconnect().catch(() => undefined)
    },
  })
}

export async function findCoordinator(cluster: Cluster, group: string): Promise<Coordinator> {
  return (await cluster.findGroupCoordinator({ groupId: group })) as unknown as Coordinator
}

const EMPTY = Buffer.alloc(0)

async function tlsOptions(tls: NonNullable<KafkaAddress['tls']>): Promise<NonNullable<KafkaConfig['ssl']>> {
  const read = async (file: string): Promise<string> => {
    try {
      return await readFile(file, 'utf8')
    } catch (cause) {
      throw new MillraceError('CONFIG_INVALID', `LOG_URL names ${file}, which cannot be read`, {
        cause,
        field: 'LOG_URL',
      })
    }
  }
  return {
    ...(tls.caFile === null ? {} : { ca: [await read(tls.caFile)] }),
    ...(tls.certFile === null ? {} : { cert: await read(tls.certFile) }),
    ...(tls.keyFile === null ? {} : { key: await read(tls.keyFile) }),
  }
}
