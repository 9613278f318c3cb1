import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { AppendRecord, EventLog, LogRecord } from '../../streams/event-log/port.ts'

export const never = new AbortController().signal
export const records = (count: number, from = 0): AppendRecord[] =>
  Array.from({ length: count }, (_, index) => ({ key: `u${index % 17}`, value: Buffer.from(`v${from + index}`) }))
export const textOf = ({ value }: LogRecord) => (value === null ? '' : Buffer.from(value).toString())

/** A log with a topic of the case's own. */
export async function openWithTopic(url: string, partitions: number): Promise<EventLog & { topic: string }> {
  const log = await openEventLog(url, { now: Date.now })
  const topic = `faults-${randomUUID()}`
  await log.ensureTopics([{ topic, partitions, cleanup: 'delete' }], { signal: never })
  return Object.assign(log, { topic })
}

export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${deadlineMs} ms`)
    await sleep(20)
  }
}
