import type { Admin } from 'kafkajs'
import kafkajs from 'kafkajs'
import type { TopicSpec } from '../port.ts'
import type { KafkaAddress } from './address.ts'

/** Append times are the broker's: retention, lag and freshness must not depend on producers' clocks. */
const FIXED = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
/** Where a topic's setting comes from, by the protocol: the topic itself. */
const SET_ON_TOPIC = 1

/**
 * Creates topics that are missing and brings retention and record size of the others up to what is asked for. What else
 * was set on a topic stays, and so do its partitions and clean-up.
 */
export function createTopicSettings(
  admin: Admin,
  options: Pick<KafkaAddress, 'replication'>,
): (specs: readonly TopicSpec[]) => Promise<void> {
  async function create(absent: readonly TopicSpec[]): Promise<void> {
    if (absent.length === 0) return
    await admin.createTopics({
      waitForLeaders: false,
      topics: absent.map((spec) => ({
        topic: spec.topic,
        numPartitions: spec.partitions,
        replicationFactor: options.replication ?? -1,
        configEntries: [...FIXED, { name: 'cleanup.policy', value: spec.cleanup }, ...ownConfig(spec)],
      })),
    })
  }

  /** The request replaces all that is set on a topic, so what others set goes with it. */
  async function takeOver(present: readonly TopicSpec[]): Promise<void> {
    if (present.length === 0) return
    const topics = present.map(({ topic }) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }))
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: topics })
    const outdated = present.flatMap((spec) => {
      const found = resources.find(({ resourceName }) => resourceName === spec.topic)?.configEntries ?? []
      const values = new Map(found.map(({ configName, configValue }) => [configName, configValue]))
      const wanted = ownConfig(spec)
      if (wanted.every(({ name, value }) => values.get(name) === value)) return []
      const others = found.filter(({ configName, configSource }) => {
        return configSource === SET_ON_TOPIC && !wanted.some(({ name }) => name === configName)
      })
      const kept = others.map(({ configName, configValue }) => ({ name: configName, value: configValue }))
      return [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: spec.topic, configEntries: [...kept, ...wanted] }]
    })
    if (outdated.length > 0) await admin.alterConfigs({ validateOnly: false, resources: outdated })
  }

  function ownConfig({ retentionMs, retentionBytes, recordBytesMax }: TopicSpec): { name: string; value: string }[] {
    return [
      { name: 'retention.ms', value: String(Math.round(retentionMs ?? -1)) },
      { name: 'retention.bytes', value: String(retentionBytes ?? -1) },
      ...(recordBytesMax === undefined ? [] : [{ name: 'max.message.bytes', value: String(recordBytesMax) }]),
    ]
  }

  return async (specs) => {
    const existing = new Set(await admin.listTopics())
    await create(specs.filter(({ topic }) => !existing.has(topic)))
    await takeOver(specs.filter(({ topic }) => existing.has(topic)))
  }
}
