import type { EventLog, LogBatch } from '../../streams/event-log/port.ts'

/**
 * How many records before `batch` retention took although this group had not read them; `next` is the offset that the
 * group expected. Offsets may have gaps for other reasons (a broker's own records): only what lies before the log's
 * start is lost.
 */
export async function recordsLostBefore(
  batch: LogBatch,
  next: number | undefined,
  log: EventLog,
  signal: AbortSignal,
): Promise<number> {
  const first = batch.records[0]?.offset
  if (first === undefined || next === undefined || first <= next) return 0
  const offsets = await log.offsets(batch.topic, { signal })
  const startOffset = offsets.find(({ partition }) => partition === batch.partition)?.startOffset ?? 0
  return Math.max(0, Math.min(first, startOffset) - next)
}
