import type { Admin, Cluster } from 'kafkajs'
import kafkajs from 'kafkajs'
import { MillraceError } from '../../../schemas/errors.ts'
import type { TopicSpec } from '../port.ts'
import type { KafkaAddress } from './address.ts'
import { protocolType, withPatience } from './failure.ts'
import { createTopicSettings } from './topic-settings.ts'

const PARTITIONS_MAX = 65_536
const PATIENCE_MS = 10_000
/** A known topic is answered at once; what changes is partitions that were added. */
const AGE_MAX_MS = 10_000
const CREATION_PATIENCE_MS = 30_000

export interface Topic {
  readonly name: string
  readonly partitions: number
  readonly compacts: boolean
}

/** The cluster's topics. */
export interface TopicTable {
  /**
   * Creates missing topics; existing ones take over retention and record size. What else was set on them stays, and
   * so do their partitions and clean-up.
   */
  ensure(specs: readonly TopicSpec[], signal: AbortSignal): Promise<void>
  /**
   * The number of partitions may be some seconds old, but is no less than `partitionsMin`: one who was assigned a new
   * partition knows of it first. @throws MillraceError INVALID_REQUEST for an unknown topic, LOG_UNAVAILABLE.
   */
  get(name: string, signal: AbortSignal, partitionsMin?: number): Promise<Topic>
}

export function createTopicTable(
  parts: { admin: Admin; cluster: Cluster; closing: AbortSignal },
  options: Pick<KafkaAddress, 'replication'>,
): TopicTable {
  const { admin, cluster, closing } = parts
  const settle = createTopicSettings(admin, options)
  const compacting = new Map<string, boolean>()
  const known = new Map<string, { readonly topic: Topic; at: number }>()

  async function compacts(name: string): Promise<boolean> {
    const known = compacting.get(name)
    if (known !== undefined) return known
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ['cleanup.policy'] }],
    })
    const compacts = resources[0]?.configEntries[0]?.configValue.includes('compact') ?? false
    compacting.set(name, compacts)
    return compacts
  }

  async function look(name: string, signal: AbortSignal, partitionsMin: number): Promise<Topic> {
    const what = `topic ${name} cannot be looked up`
    const topic = await withPatience(cluster, { what, patienceMs: PATIENCE_MS, signal }, async () => {
      try {
        await cluster.addTargetTopic(name)
        await cluster.refreshMetadataIfNecessary()
        const partitions = cluster.findTopicPartitionMetadata(name).length
        if (partitions < partitionsMin) {
          throw new MillraceError('LOG_UNAVAILABLE', `${name} has ${partitions} partitions, not yet ${partitionsMin}`)
        }
        return { name, partitions, compacts: await compacts(name) }
      } catch (error) {
        if (!UNKNOWN.has(protocolType(error) ?? '')) throw error
        throw new MillraceError('INVALID_REQUEST', `topic ${name} does not exist`, { cause: error, field: 'topic' })
      }
    })
    known.set(name, { topic, at: performance.now() })
    return topic
  }

  return {
    async ensure(specs, signal) {
      for (const spec of specs) refuseInvalid(spec)
      const names = specs.map(({ topic }) => topic)
      const what = `topics ${names.join(', ')} cannot be created`
      await withPatience(cluster, { what, patienceMs: CREATION_PATIENCE_MS, signal }, async () => {
        await settle(specs)
        await cluster.addMultipleTargetTopics(names)
        for (const name of names) requireLeaders(cluster, name)
      })
    },
    async get(name, signal, partitionsMin = 0) {
      const entry = known.get(name)
      if (entry === undefined || entry.topic.partitions < partitionsMin) return look(name, signal, partitionsMin)
      if (performance.now() - entry.at > AGE_MAX_MS) {
        entry.at = performance.now()
        // What fails here is not needed now, and is tried again.
        void look(name, closing, 0).catch(() => undefined)
      }
      return entry.topic
    },
  }
}

const UNKNOWN: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION'])

function requireLeaders(cluster: Cluster, name: string): void {
  const partitions = cluster.findTopicPartitionMetadata(name)
  if (partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)) return
  throw new MillraceError('LOG_UNAVAILABLE', `topic ${name} has no leader yet`)
}

function refuseInvalid({ topic, partitions }: TopicSpec): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= PARTITIONS_MAX) return
  throw new MillraceError(
    'INVALID_REQUEST',
    `topic ${topic} asks for ${partitions} partitions, 1 to ${PARTITIONS_MAX} are possible`,
    { field: 'partitions' },
  )
}
