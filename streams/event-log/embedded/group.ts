import type { PartitionState } from './state.ts'

/** A member of a consumer group as the group sees it. */
export interface GroupMember {
  readonly topics: readonly string[]
  /** Called when what the member should own, or may take, has changed; it then revokes and takes by itself. */
  reconcile(): void
}

/** One consumer group: who should own which partition, and who still does. */
export interface ConsumerGroup {
  join(member: GroupMember): void
  /** The member's partitions must be released before. */
  leave(member: GroupMember): void
  /** Whether the member is to own the partition. */
  isDesired(member: GroupMember, state: PartitionState): boolean
  /** Takes every desired partition that nobody owns any more. */
  take(member: GroupMember): PartitionState[]
  release(member: GroupMember, states: readonly PartitionState[]): void
}

/** Partitions go round the members that subscribe to the topic, in the order in which they joined. */
export function createConsumerGroup(partitionsOf: (topic: string) => readonly PartitionState[]): ConsumerGroup {
  const members: GroupMember[] = []
  const desired = new Map<PartitionState, GroupMember>()
  const owners = new Map<PartitionState, GroupMember>()

  function assign(): void {
    desired.clear()
    for (const topic of new Set(members.flatMap((member) => member.topics))) {
      const subscribed = members.filter((member) => member.topics.includes(topic))
      partitionsOf(topic).forEach((state, index) => {
        desired.set(state, subscribed[index % subscribed.length] as GroupMember)
      })
    }
    for (const member of [...members]) member.reconcile()
  }

  return {
    join(member) {
      members.push(member)
      assign()
    },
    leave(member) {
      members.splice(members.indexOf(member), 1)
      assign()
    },
    isDesired: (member, state) => desired.get(state) === member,
    take(member) {
      const taken = [...desired]
        .filter(([state, owner]) => owner === member && !owners.has(state))
        .map(([state]) => state)
      for (const state of taken) owners.set(state, member)
      return taken
    },
    release(member, states) {
      for (const state of states) if (owners.get(state) === member) owners.delete(state)
      for (const other of [...members]) if (other !== member) other.reconcile()
    },
  }
}
