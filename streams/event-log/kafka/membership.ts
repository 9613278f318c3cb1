import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Cluster } from 'kafkajs'
import { MillraceError } from '../../../schemas/errors.ts'
import { type Coordinator, findCoordinator } from './client.ts'
import { isPassing, protocolType, withPatience } from './failure.ts'

/** How long others may take to finish their running batches and join again. */
const REBALANCE_TIMEOUT_MS = 60_000
const HEARTBEAT_INTERVAL_MS = 1_000
const PATIENCE_MS = 10_000
/** Long enough for a broker to restart. */
const JOIN_PATIENCE_MS = 30_000
const ASSIGNER = 'RoundRobinAssigner'
const LOST: ReadonlySet<string> = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'])

export interface Partition {
  readonly topic: string
  readonly partition: number
}

export interface Commit extends Partition {
  readonly offset: number
}

/** `rebalancing`: finish and join again. `lost`: the partitions may be somebody else's already. */
export type Standing = 'member' | 'rebalancing' | 'lost'

/** One membership of a group, in the classic protocol: eager, so that nobody gets a partition before its owner let go. */
export class Membership {
  readonly #cluster: Cluster
  readonly #group: string
  readonly #topics: readonly string[]
  readonly #sessionTimeoutMs: number
  #memberId = ''
  #generation = -1
  #heardAt = 0
  #partitionsSeen = ''

  constructor(cluster: Cluster, options: { group: string; topics: readonly string[]; sessionTimeoutMs: number }) {
    this.#cluster = cluster
    this.#group = options.group
    this.#topics = options.topics
    this.#sessionTimeoutMs = options.sessionTimeoutMs
  }

  /** Joins, waits for the other members, and returns the partitions of this one. */
  async join(signal: AbortSignal): Promise<readonly Partition[]> {
    const what = `group ${this.#group} cannot be joined`
    return withPatience(this.#cluster, { what, patienceMs: JOIN_PATIENCE_MS, signal }, async () => {
      try {
        return await this.#joinAndSync()
      } catch (error) {
        if (LOST.has(protocolType(error) ?? '')) this.#memberId = ''
        throw error
      }
    })
  }

  /** Keeps the session alive until the standing changes or the signal aborts; `onStanding` hears each change. */
  async heartbeat(signal: AbortSignal, onStanding: (standing: Standing) => void): Promise<void> {
    let standing: Standing = 'member'
    while (standing !== 'lost') {
      await sleep(HEARTBEAT_INTERVAL_MS, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      const next = await this.#askStanding()
      // Once called to join again, a member stays called: a failed question must not undo it.
      if (next === null || next === standing || (standing === 'rebalancing' && next === 'member')) continue
      standing = next
      onStanding(next)
    }
  }

  /** null when the coordinator was not reached, and the session has not expired yet. */
  async #askStanding(): Promise<Standing | null> {
    if (this.#isExpired()) return 'lost'
    try {
      await (await this.#coordinator()).heartbeat({ ...this.#identity(), groupGenerationId: this.#generation })
      this.#heardAt = performance.now()
      return (await this.#hasNewPartitions()) ? 'rebalancing' : 'member'
    } catch (error) {
      const type = protocolType(error) ?? ''
      if (type === 'REBALANCE_IN_PROGRESS') {
        this.#heardAt = performance.now()
        return 'rebalancing'
      }
      return LOST.has(type) || !isPassing(error) || this.#isExpired() ? 'lost' : null
    }
  }

  /** false when the coordinator no longer knows this member in this generation: nothing was committed. */
  async commit(commits: readonly Commit[], signal: AbortSignal): Promise<boolean> {
    if (commits.length === 0) return true
    const what = `group ${this.#group} cannot commit`
    return withPatience(this.#cluster, { what, patienceMs: PATIENCE_MS, signal }, async () => {
      try {
        const topics = topicOffsets(commits)
        const coordinator = await this.#coordinator()
        await coordinator.offsetCommit({ ...this.#identity(), groupGenerationId: this.#generation, topics })
        return true
      } catch (error) {
        if (LOST.has(protocolType(error) ?? '') || protocolType(error) === 'REBALANCE_IN_PROGRESS') return false
        throw error
      }
    })
  }

  /** Tells the coordinator at once, so that the others need not wait for the session to expire. */
  async leave(): Promise<void> {
    if (this.#memberId === '') return
    try {
      await (await this.#coordinator()).leaveGroup(this.#identity())
    } catch {
      // Not reached, or not known there: the session's expiry does the same.
    }
    this.#memberId = ''
  }

  async #joinAndSync(): Promise<readonly Partition[]> {
    await this.#cluster.addMultipleTargetTopics([...this.#topics])
    await this.#cluster.refreshMetadata()
    const coordinator = await this.#coordinator()
    const joined = await coordinator.joinGroup({
      ...this.#identity(),
      sessionTimeout: this.#sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      groupProtocols: [{ name: ASSIGNER, metadata: this.#subscription() }],
    })
    this.#memberId = joined.memberId
    this.#generation = joined.generationId
    const leads = joined.leaderId === joined.memberId
    this.#partitionsSeen = leads ? this.#partitionCounts() : ''
    const groupAssignment = leads ? this.#assign(joined.members) : []
    const { memberAssignment } = await coordinator.syncGroup({
      ...this.#identity(),
      generationId: this.#generation,
      groupAssignment,
    })
    this.#heardAt = performance.now()
    const assignment = kafkajs.AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment ?? {}
    return Object.entries(assignment).flatMap(([topic, partitions]) =>
      partitions.toSorted((left, right) => left - right).map((partition) => ({ topic, partition })),
    )
  }

  /** Each topic's partitions go round the members that subscribe to it. */
  #assign(members: readonly { memberId: string; memberMetadata: Buffer }[]) {
    const assignments = new Map(members.map(({ memberId }) => [memberId, {} as Record<string, number[]>]))
    const subscriptions = members.map(({ memberId, memberMetadata }) => ({
      memberId,
      topics: kafkajs.AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? [],
    }))
    for (const topic of this.#topics) {
      const subscribed = subscriptions.filter(({ topics }) => topics.includes(topic)).map(({ memberId }) => memberId)
      subscribed.sort()
      const count = this.#cluster.findTopicPartitionMetadata(topic).length
      for (let partition = 0; partition < count; partition++) {
        const own = assignments.get(subscribed[partition % subscribed.length] ?? '')
        if (own !== undefined) own[topic] = [...(own[topic] ?? []), partition]
      }
    }
    return [...assignments].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: kafkajs.AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: NO_DATA }),
    }))
  }

  /** The leader looks for partitions that were added; its joining again makes everybody join. */
  async #hasNewPartitions(): Promise<boolean> {
    if (this.#partitionsSeen === '') return false
    await this.#cluster.refreshMetadataIfNecessary()
    return this.#partitionCounts() !== this.#partitionsSeen
  }

  #partitionCounts(): string {
    return this.#topics.map((topic) => this.#cluster.findTopicPartitionMetadata(topic).length).join()
  }

  #subscription(): Buffer {
    const topics = [...this.#topics]
    return kafkajs.AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: NO_DATA })
  }

  #isExpired(): boolean {
    return performance.now() - this.#heardAt > this.#sessionTimeoutMs
  }

  #identity(): { groupId: string; memberId: string } {
    return { groupId: this.#group, memberId: this.#memberId }
  }

  #coordinator(): Promise<Coordinator> {
    return findCoordinator(this.#cluster, this.#group)
  }
}

const NO_DATA = Buffer.alloc(0)

/** Commits in the shape of the protocol. */
export function topicOffsets(commits: readonly Commit[]) {
  return [...Map.groupBy(commits, ({ topic }) => topic)].map(([topic, own]) => ({
    topic,
    partitions: own.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
  }))
}

/** Next offset to read per partition, in the order asked; null where the group never committed. */
export async function committedOffsets(
  cluster: Cluster,
  group: string,
  partitions: readonly Partition[],
  signal: AbortSignal,
): Promise<readonly (number | null)[]> {
  if (partitions.length === 0) return []
  const what = `offsets of group ${group} cannot be read`
  return withPatience(cluster, { what, patienceMs: PATIENCE_MS, signal }, async () => {
    const coordinator = await findCoordinator(cluster, group)
    const topics = topicOffsets(partitions.map((partition) => ({ ...partition, offset: -1 })))
    const { responses } = await coordinator.offsetFetch({ groupId: group, topics })
    const found = new Map<string, number>()
    for (const { topic, partitions: own } of responses) {
      for (const { partition, offset } of own) found.set(`${topic}/${partition}`, Number(offset))
    }
    return partitions.map(({ topic, partition }) => {
      const offset = found.get(`${topic}/${partition}`) ?? -1
      return offset >= 0 ? offset : null
    })
  })
}

/** Commits without being a member, which the coordinator takes only while the group has none. */
export async function commitAsOutsider(
  cluster: Cluster,
  group: string,
  commits: readonly Commit[],
  signal: AbortSignal,
): Promise<void> {
  const what = `group ${group} cannot commit`
  await withPatience(cluster, { what, patienceMs: PATIENCE_MS, signal }, async () => {
    try {
      const coordinator = await findCoordinator(cluster, group)
      const request = { groupId: group, groupGenerationId: -1, memberId: '', topics: topicOffsets(commits) }
      await coordinator.offsetCommit(request)
    } catch (error) {
      if (protocolType(error) !== 'UNKNOWN_MEMBER_ID') throw error
      const message = `${what} from outside while it has members; stop them first`
      throw new MillraceError('CONFLICT', message, { cause: error })
    }
  })
}
