import { MillraceError } from '../../../schemas/errors.ts'
import type { TopicSpec } from '../port.ts'
import type { Environment } from './environment.ts'
import { createTopicState, type PartitionState, type TopicState } from './state.ts'
import type { Writer } from './writer.ts'

/** The log's topics by name. */
export interface TopicTable {
  /** Creates missing topics, takes over the retention of existing ones; partitions and clean-up stay as created. */
  ensure(specs: readonly TopicSpec[]): Promise<void>
  /** @throws MillraceError INVALID_REQUEST for an unknown topic. */
  get(topic: string): TopicState
  partition(topic: string, partition: number): PartitionState
  partitions(): Iterable<PartitionState>
}

const PARTITIONS_MAX = 65_536

interface TopicRow {
  readonly number: number
  readonly spec: TopicSpec
}

export function createTopicTable(environment: Environment, writer: Writer): TopicTable {
  const topics = new Map<string, TopicState>()
  for (const { key, value } of environment.meta.getRange({ start: ['topic'], end: ['topic', '\uffff'] })) {
    const { number, spec } = value as TopicRow
    topics.set(String(key[1]), createTopicState(environment, number, spec))
  }

  function get(topic: string): TopicState {
    const state = topics.get(topic)
    if (state === undefined)
      throw new MillraceError('INVALID_REQUEST', `topic ${topic} does not exist`, { field: 'topic' })
    return state
  }

  function stage(specs: readonly TopicSpec[]): () => void {
    const changed = new Map<string, TopicState>()
    for (const spec of specs) {
      const known = topics.get(spec.topic)
      const merged = known === undefined ? { ...spec } : merge(known.spec, spec)
      if (known !== undefined && sameSpec(known.spec, merged)) continue
      const number = known?.number ?? topics.size + changed.size + 1
      environment.meta.put(['topic', spec.topic], { number, spec: merged } satisfies TopicRow)
      changed.set(
        spec.topic,
        known === undefined ? createTopicState(environment, number, merged) : { ...known, spec: merged },
      )
    }
    return () => {
      for (const [topic, state] of changed) apply(topic, state)
    }
  }

  /** An existing topic keeps its partition objects, for consumers hold them. */
  function apply(topic: string, state: TopicState): void {
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, state)
    else Object.assign(known, { spec: state.spec })
  }

  return {
    async ensure(specs) {
      for (const spec of specs) refuseInvalid(spec)
      await writer.exclusive(() => stage(specs))
    },
    get,
    partition(topic, partition) {
      const state = get(topic).partitions[partition]
      if (state === undefined) {
        throw new MillraceError('INVALID_REQUEST', `topic ${topic} has no partition ${partition}`, {
          field: 'partition',
        })
      }
      return state
    },
    *partitions() {
      for (const topic of topics.values()) yield* topic.partitions
    },
  }
}

function refuseInvalid({ topic, partitions }: TopicSpec): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= PARTITIONS_MAX) return
  throw new MillraceError(
    'INVALID_REQUEST',
    `topic ${topic} asks for ${partitions} partitions, 1 to ${PARTITIONS_MAX} are possible`,
    { field: 'partitions' },
  )
}

/** Partitions and clean-up stay as they were made: with other partitions a user's events would leave their order. */
function merge(known: TopicSpec, wanted: TopicSpec): TopicSpec {
  return { ...wanted, partitions: known.partitions, cleanup: known.cleanup }
}

function sameSpec(left: TopicSpec, right: TopicSpec): boolean {
  return left.retentionMs === right.retentionMs && left.retentionBytes === right.retentionBytes
}
