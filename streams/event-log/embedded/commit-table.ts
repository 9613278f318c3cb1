import type { Environment } from './environment.ts'

/** Committed offsets of every group: in memory, and in the file with the transaction after next at the latest. */
export interface CommitTable {
  /** Next offset to read; null when the group never committed here. */
  get(group: string, topic: string, partition: number): number | null
  set(group: string, topic: string, partition: number, nextOffset: number): void
  readonly isDirty: boolean
  /** Puts every change since the last call; to be called inside a transaction. Returns how to take that back. */
  stage(): () => void
}

export function loadCommitTable(environment: Environment): CommitTable {
  const offsets = new Map<string, number>()
  let dirty = new Map<string, (string | number)[]>()
  for (const { key, value } of environment.meta.getRange({ start: ['group'], end: ['group', '\uffff'] })) {
    const [, group, topic, partition] = key
    offsets.set(textOf(String(group), String(topic), Number(partition)), Number(value))
  }
  return {
    get: (group, topic, partition) => offsets.get(textOf(group, topic, partition)) ?? null,
    set(group, topic, partition, nextOffset) {
      const text = textOf(group, topic, partition)
      if (offsets.get(text) === nextOffset) return
      offsets.set(text, nextOffset)
      dirty.set(text, ['group', group, topic, partition])
    },
    get isDirty() {
      return dirty.size > 0
    },
    stage() {
      const staged = dirty
      dirty = new Map()
      for (const [text, key] of staged) environment.meta.put(key, offsets.get(text))
      return () => {
        dirty = new Map([...staged, ...dirty])
      }
    },
  }
}

function textOf(group: string, topic: string, partition: number): string {
  return `${group}\n${topic}\n${partition}`
}
