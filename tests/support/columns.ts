import type { EventColumns } from '../../schemas/event-columns.ts'

export interface PlainEvent {
  readonly user: string
  readonly item: string
  readonly type: string
  readonly at: number
  readonly value?: number
}

/** Events as the event store hands them out: ordered by time (ties keep their order), ids numbered at first sight. */
export function columnsOf(events: readonly PlainEvent[]): EventColumns {
  const sorted = events.toSorted((left, right) => left.at - right.at)
  const users = [...new Set(sorted.map(({ user }) => user))]
  const items = [...new Set(sorted.map(({ item }) => item))]
  const types = [...new Set(sorted.map(({ type }) => type))]
  const indexed = (ids: readonly string[]) => new Map(ids.map((id, index) => [id, index]))
  const [userIndex, itemIndex, typeIndex] = [indexed(users), indexed(items), indexed(types)]
  return {
    ...{ users, items, types, length: sorted.length },
    userIndex: Int32Array.from(sorted, ({ user }) => userIndex.get(user) ?? -1),
    itemIndex: Int32Array.from(sorted, ({ item }) => itemIndex.get(item) ?? -1),
    typeIndex: Uint8Array.from(sorted, ({ type }) => typeIndex.get(type) ?? 255),
    timestamp: Float64Array.from(sorted, ({ at }) => at),
    value: Float64Array.from(sorted, ({ value }) => value ?? Number.NaN),
  }
}
