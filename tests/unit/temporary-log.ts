import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { EventLog } from '../../streams/event-log/port.ts'
import { topicSpecs } from '../../streams/topics.ts'

/** An embedded log of its own with every topic of Millrace, two partitions of interactions; gone when disposed. */
export async function openTemporaryLog(now: () => number): Promise<AsyncDisposable & { log: EventLog }> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-streams-'))
  const log = await openEventLog(`embedded:${folder}`, { now })
  const specs = topicSpecs({ PARTITIONS: 2, LOG_RETENTION_HOURS: 1, LOG_RETENTION_BYTES: 1_048_576 })
  await log.ensureTopics(specs, { signal: new AbortController().signal })
  return {
    log,
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
