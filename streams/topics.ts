import type { Settings } from '../schemas/settings.ts'
import type { TopicSpec } from './event-log/port.ts'

export const TOPICS = {
  interactions: 'interactions',
  deadLetters: 'interactions.dlt',
  items: 'items',
  users: 'users',
  training: 'training',
} as const

/**
 * Twice what brokers take by default: a copy of their largest record, with its reason and position, has a place. What
 * producers compressed harder than we do may still be larger (streams/dead-letters.ts).
 */
const DEAD_LETTER_BYTES_MAX = 2 * 1_048_576

/**
 * Every topic as it is created. Dead letters have no time limit: a rejected record waits until someone looks at it,
 * only size bounds them. The catalogue has one partition, so that every process reads it in the same order.
 */
export function topicSpecs(
  settings: Pick<Settings, 'PARTITIONS' | 'LOG_RETENTION_HOURS' | 'LOG_RETENTION_BYTES'>,
): TopicSpec[] {
  const retentionMs = settings.LOG_RETENTION_HOURS * 3_600_000
  const retentionBytes = settings.LOG_RETENTION_BYTES
  return [
    { topic: TOPICS.interactions, partitions: settings.PARTITIONS, cleanup: 'delete', retentionMs, retentionBytes },
    {
      ...{ topic: TOPICS.deadLetters, partitions: 1, cleanup: 'delete', retentionBytes },
      recordBytesMax: DEAD_LETTER_BYTES_MAX,
    },
    { topic: TOPICS.items, partitions: 1, cleanup: 'compact' },
    { topic: TOPICS.users, partitions: 1, cleanup: 'compact' },
    { topic: TOPICS.training, partitions: 1, cleanup: 'delete', retentionMs, retentionBytes },
  ]
}
