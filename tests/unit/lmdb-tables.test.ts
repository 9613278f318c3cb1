import { join } from 'node:path'
import { open } from 'lmdb'
import { expect, test } from 'vitest'
import { createTables } from '../../schemas/lmdb-tables.ts'
import { temporaryFolder } from '../support/process.ts'

async function openTables() {
  const folder = await temporaryFolder('lmdb-tables')
  const root = open<string, string>(join(folder.path, 'data.mdb'), { eventTurnBatching: false, maxDbs: 2 })
  const tables = createTables(root)
  const table = tables.table(root.openDB<string, string>('table', {}))
  return {
    ...tables,
    table,
    everything: () => [...table.getRange({})].map(({ key, value }) => [key, value]),
    async [Symbol.asyncDispose]() {
      await root.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

test('what was staged before an error is never written, not even by the next transaction', async () => {
  await using world = await openTables()
  const { table } = world
  await world.commit(() => table.put('a', 'kept'))
  const failing = world.commit(() => {
    table.clear()
    table.put('a', 'lost')
    table.put('b', 'lost')
    throw new Error('half way')
  })
  await expect(failing).rejects.toThrow('half way')
  await world.commit(() => table.put('c', 'kept'))
  expect(world.everything()).toEqual([
    ['a', 'kept'],
    ['c', 'kept'],
  ])
})

test('puts, removes and clears happen in their order, and reads see them after the commit', async () => {
  await using world = await openTables()
  const { table } = world
  await world.commit(() => table.put('old', '1'))
  await world.commit(() => {
    table.clear()
    table.put('a', '1')
    table.put('b', '1')
    table.remove('a')
    expect(table.get('old')).toBe('1')
  })
  expect(world.everything()).toEqual([['b', '1']])
})

test('a write outside of a transaction is refused', async () => {
  await using world = await openTables()
  expect(() => world.table.put('a', '1')).toThrow('outside of a transaction')
})
