import type { EventLog, PartitionOffsets, Position } from './event-log/port.ts'

export interface GroupLag {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly lagRecords: number
  /** Since the end offset first passed the committed one; 0 without lag. */
  readonly lagSeconds: number
}

export interface LagMonitor {
  /** Looks at end and committed offsets; its owner calls it about once a second. */
  sample(signal: AbortSignal): Promise<void>
  /** Lag of every group and partition as of the last sample, its seconds up to now; empty before the first. */
  current(): readonly GroupLag[]
  /** When the last sample began: what was appended before then is in it; null before the first. */
  sampledAt(): number | null
}

export interface LagOptions {
  readonly log: EventLog
  readonly groups: readonly { readonly group: string; readonly topics: readonly string[] }[]
  /** Epoch milliseconds, the log's clock. */
  now(): number
}

/** The end of a partition at a moment; only changes are kept, ascending. */
interface EndSample {
  readonly at: number
  readonly endOffset: number
}

interface PartitionLag {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly lagRecords: number
  /** When the end offset first passed the committed one; null without lag. */
  readonly behindSince: number | null
}

/** Beyond this every second sample is forgotten: the older the lag, the coarser its seconds. */
const SAMPLES_MAX = 4_096

export function createLagMonitor({ log, groups, now }: LagOptions): LagMonitor {
  const samples = new Map<string, EndSample[]>()
  /** What was asked of the log last, by group and partition: while a group stands still, so does the answer. */
  const asked = new Map<string, { readonly offset: number; readonly appendedAt: number | null }>()
  let lags: readonly PartitionLag[] = []
  let sampledAt: number | null = null

  async function sampleGroup(group: string, topic: string, ends: readonly PartitionOffsets[], signal: AbortSignal) {
    const committed = await log.committed(group, topic, { signal })
    return Promise.all(
      ends.map(async ({ partition, startOffset, endOffset }): Promise<PartitionLag> => {
        const next = Math.max(committed[partition] ?? startOffset, startOffset)
        const lagRecords = Math.max(0, endOffset - next)
        const known = samples.get(`${topic}/${partition}`) ?? []
        const behindSince =
          lagRecords === 0
            ? null
            : (passedAt(known, next) ??
              (await appendTime(group, { topic, partition, offset: next }, signal)) ??
              known[0]?.at ??
              null)
        return { group, topic, partition, lagRecords, behindSince }
      }),
    )
  }

  /** Before the first sample the record itself knows when it came. */
  async function appendTime(group: string, next: Position, signal: AbortSignal): Promise<number | null> {
    const name = `${group} ${next.topic}/${next.partition}`
    const before = asked.get(name)
    if (before?.offset === next.offset) return before.appendedAt
    const [record] = await log.read(next, 1, { signal })
    const appendedAt = record?.appendedAt ?? null
    asked.set(name, { offset: next.offset, appendedAt })
    return appendedAt
  }

  return {
    async sample(signal) {
      const at = now()
      const topics = new Set(groups.flatMap((group) => group.topics))
      const ends = new Map<string, readonly PartitionOffsets[]>()
      for (const topic of topics) {
        const offsets = await log.offsets(topic, { signal })
        ends.set(topic, offsets)
        for (const { partition, endOffset } of offsets) remember(samples, `${topic}/${partition}`, { at, endOffset })
      }
      const sampled: PartitionLag[] = []
      for (const { group, topics: followed } of groups) {
        for (const topic of followed) sampled.push(...(await sampleGroup(group, topic, ends.get(topic) ?? [], signal)))
      }
      lags = sampled
      sampledAt = at
    },
    current() {
      const at = now()
      return lags.map(({ behindSince, ...lag }) => ({
        ...lag,
        lagSeconds: behindSince === null ? 0 : Math.max(0, at - behindSince) / 1_000,
      }))
    },
    sampledAt: () => sampledAt,
  }
}

function remember(samples: Map<string, EndSample[]>, name: string, sample: EndSample): void {
  let known = samples.get(name) ?? []
  if (known.at(-1)?.endOffset !== sample.endOffset) known.push(sample)
  if (known.length > SAMPLES_MAX) known = known.filter((_, index) => index % 2 === 0 || index === known.length - 1)
  samples.set(name, known)
}

/** When the end was first seen behind the offset; null when it was there before the first sample. */
function passedAt(known: readonly EndSample[], offset: number): number | null {
  let low = 0
  let high = known.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((known[middle] as EndSample).endOffset > offset) high = middle
    else low = middle + 1
  }
  return low === 0 ? null : (known[low]?.at ?? null)
}
