import type { Database, Key, RangeIterable, RangeOptions, RootDatabase } from 'lmdb'
import { invariant } from './errors.ts'

/** A table of an LMDB environment. Reads see what is committed; writes belong to the transaction that is being staged. */
export interface Table<V, K extends Key> {
  get(key: K): V | undefined
  /** The bytes of a value before they are decoded. */
  getBinary(key: K): Buffer | undefined
  getKeys(options: RangeOptions): RangeIterable<K>
  getRange(options: RangeOptions): RangeIterable<{ key: K; value: V }>
  put(key: K, value: V): void
  remove(key: K): void
  clear(): void
}

/** The tables of one LMDB environment, and its only way to write them. */
export interface Tables {
  table<V, K extends Key>(database: Database<V, K>): Table<V, K>
  /** What `stage` puts, removes and clears becomes one transaction; when `stage` throws, nothing of it is written. Reads after it see it. */
  commit(stage: () => void): Promise<void>
}

/** lmdb's own batches write what came before an error in the middle of them, so writes are collected first. */
export function createTables<V, K extends Key>(root: RootDatabase<V, K>): Tables {
  let staged: (() => unknown)[] | null = null

  function add(write: () => unknown): void {
    invariant(staged !== null, 'a table was written outside of a transaction')
    staged.push(write)
  }

  function collect(stage: () => void): readonly (() => unknown)[] {
    const writes: (() => unknown)[] = []
    staged = writes
    try {
      stage()
    } finally {
      staged = null
    }
    return writes
  }

  return {
    table: (database) => ({
      get: (key) => database.get(key),
      getBinary: (key) => database.getBinary(key),
      getKeys: (options) => database.getKeys(options),
      getRange: (options) => database.getRange(options),
      put: (key, value) => add(() => database.put(key, value)),
      remove: (key) => add(() => database.remove(key)),
      clear: () => add(() => database.clearAsync()),
    }),
    async commit(stage) {
      const writes = collect(stage)
      try {
        await root.batch(() => {
          for (const write of writes) void write()
        })
      } finally {
        root.resetReadTxn()
      }
    },
  }
}
