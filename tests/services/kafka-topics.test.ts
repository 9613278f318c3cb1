import { randomUUID } from 'node:crypto'
import kafkajs, { type Admin } from 'kafkajs'
import { expect, test } from 'vitest'
import { openEventLog } from '../../streams/event-log/open.ts'
import { seeded } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { serviceUrl } from './service-url.ts'

const signal = new AbortController().signal
const brokers = [serviceUrl('kafka').replace('kafka://', '')]
const open = () => openEventLog(serviceUrl('kafka'), { now: Date.now })

async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new kafkajs.Kafka({ brokers, logLevel: 0 }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

async function settingsOf(topic: string): Promise<Record<string, string>> {
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }
  const asked = { includeSynonyms: false, resources: [resource] }
  const { resources } = await withAdmin((admin) => admin.describeConfigs(asked))
  return Object.fromEntries((resources[0]?.configEntries ?? []).map((entry) => [entry.configName, entry.configValue]))
}

test('a topic takes over another retention at the next start, and what else was set on it stays', async () => {
  const topic = `settings-${randomUUID()}`
  const spec = { topic, partitions: 2, cleanup: 'delete' as const, retentionMs: 3_600_000, retentionBytes: 2_000_000 }
  await using log = await open()
  await log.ensureTopics([spec], { signal })
  const asCreated = {
    ...{ 'retention.ms': '3600000', 'retention.bytes': '2000000', 'cleanup.policy': 'delete' },
    'message.timestamp.type': 'LogAppendTime',
  }
  expect(await settingsOf(topic)).toMatchObject(asCreated)
  const configEntries = Object.entries({ ...asCreated, 'segment.ms': '777000' }).map(([name, value]) => ({
    name,
    value,
  }))
  const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }]
  await withAdmin((admin) => admin.alterConfigs({ validateOnly: false, resources }))
  // The controller has taken them; the broker, which is asked, hears of them a moment later.
  await eventually(() => settingsOf(topic), (settings) => settings['segment.ms'] === '777000') // biome-ignore format: one line

  await log.ensureTopics([{ ...spec, partitions: 5, cleanup: 'compact', retentionMs: 7_200_000 }], { signal })
  const settled = await eventually(() => settingsOf(topic), (settings) => settings['retention.ms'] === '7200000') // biome-ignore format: one line
  expect(settled).toMatchObject({ ...asCreated, 'retention.ms': '7200000', 'segment.ms': '777000' })
  expect(await log.offsets(topic, { signal })).toHaveLength(2)
})

test.each(['lz4', 'snappy', 'zstd', 'gzip'])(
  'what %s has packed elsewhere is read like anything else',
  async (codec) => {
    const topic = `packed-${randomUUID()}`
    await using log = await open()
    await log.ensureTopics([{ topic, partitions: 1, cleanup: 'delete' }], { signal })
    const configEntries = [{ name: 'compression.type', value: codec }]
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }]
    // The broker packs anew what is produced otherwise.
    await withAdmin((admin) => admin.alterConfigs({ validateOnly: false, resources }))
    const random = seeded(7)
    const noise = () => Buffer.from(Array.from({ length: 300 }, () => Math.floor(random() * 256)))
    const values = [
      ...Array.from({ length: 2_000 }, (_, index) =>
        Buffer.from(`event ${index % 7} of ${'the same user '.repeat(index % 5)}`),
      ),
      ...Array.from({ length: 200 }, noise),
      ...[Buffer.alloc(60_000, 'a'), Buffer.alloc(60_000, 'abcdefghij'), Buffer.alloc(0)],
    ]
    await log.append(topic, values.map((value) => ({ key: 'u', value })), { signal }) // biome-ignore format: one line
    const read = await log.read({ topic, partition: 0, offset: 0 }, 10_000, { signal })
    expect(read).toHaveLength(values.length)
    const wrong = read.filter(({ value }, index) => !Buffer.from(value ?? []).equals(values[index] as Buffer))
    expect(wrong).toEqual([])
  },
)
