import { expect, test } from 'vitest'
import { loadCommitTable } from '../../streams/event-log/embedded/commit-table.ts'
import { openEnvironment } from '../../streams/event-log/embedded/environment.ts'
import { placeRecords } from '../../streams/event-log/embedded/placing.ts'
import { createTopicTable } from '../../streams/event-log/embedded/topic-table.ts'
import { Writer } from '../../streams/event-log/embedded/writer.ts'
import { temporaryFolder } from '../support/process.ts'

const never = new AbortController().signal
const spec = { topic: 't', partitions: 1, cleanup: 'delete' } as const

/** A real environment whose next commits fail after they were staged, as on a full disk. */
async function open() {
  const folder = await temporaryFolder('log-writer')
  const environment = await openEnvironment(folder.path)
  const faults = { left: 0 }
  const failing = {
    ...environment,
    async commit(stage: () => void) {
      if (faults.left === 0) return environment.commit(stage)
      faults.left--
      await environment
        .commit(() => {
          stage()
          throw new Error('no space left')
        })
        .catch(() => undefined)
      throw new Error('no space left')
    },
  }
  const commits = loadCommitTable(environment)
  const writer = new Writer(failing, commits, () => 5)
  const topics = createTopicTable(environment, writer)
  await topics.ensure([spec])
  return {
    ...{ environment, commits, writer, topics, faults },
    append: (value: number) =>
      writer.append(placeRecords(topics.get('t'), [{ key: 'k', value: Uint8Array.of(value) }]), never),
    async [Symbol.asyncDispose]() {
      await environment.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

test('committed offsets that could not be written are written with the next transaction', async () => {
  await using log = await open()
  log.commits.set('g', 't', 0, 7)
  log.faults.left = 1
  await expect(log.writer.commitOffsets()).rejects.toThrow('no space left')
  await log.append(1)
  expect(loadCommitTable(log.environment).get('g', 't', 0)).toBe(7)

  log.commits.set('g', 't', 0, 8)
  log.faults.left = 1
  await expect(log.append(2)).rejects.toThrow('no space left')
  expect(() => log.writer.commitOffsetsSoon()).toThrow('no space left')
  log.writer.commitOffsetsSoon()
  await log.writer.drain()
  expect(loadCommitTable(log.environment).get('g', 't', 0)).toBe(8)
})

test('an append that could not be written leaves no trace: the next one gets its offset', async () => {
  await using log = await open()
  expect(await log.append(1)).toEqual([0])
  log.faults.left = 2
  await expect(Promise.all([log.append(2), log.append(3)])).rejects.toThrow('no space left')
  await expect(log.append(4)).rejects.toThrow('no space left')
  expect(log.topics.partition('t', 0).endOffset).toBe(1)
  expect(await log.append(5)).toEqual([1])
})
