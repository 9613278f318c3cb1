// A member of a consumer group in a process of its own, so that a test can stall it: node kafka-member.ts URL TOPIC GROUP.
// Prints one JSON line per thing that happens to it, and works on each record for a while.
import { setTimeout as sleep } from 'node:timers/promises'
import { openEventLog } from '../../streams/event-log/open.ts'

const [url = '', topic = '', group = ''] = process.argv.slice(2)
const WORK_MS = 200
const say = (what: string, detail: object = {}) => process.stdout.write(`${JSON.stringify({ what, ...detail })}\n`)

await using log = await openEventLog(url, { now: Date.now })
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
await log.consume(
  { group, topics: [topic], batchRecordsMax: 1, signal: stop.signal },
  {
    async onAssigned(assigned) {
      say('assigned', { partitions: assigned.map(({ partition }) => partition) })
      return new Map()
    },
    async onRevoked(revoked) {
      say('revoked', { partitions: revoked.map(({ partition }) => partition) })
    },
    async onBatch({ partition, records }, { signal }) {
      const offset = records[0]?.offset
      say('started', { partition, offset })
      await sleep(WORK_MS, undefined, { signal }).catch(() => undefined)
      say(signal.aborted ? 'gave up' : 'worked', { partition, offset })
      signal.throwIfAborted()
    },
  },
)
