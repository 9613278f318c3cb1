import { openEventLog } from '../../streams/event-log/open.ts'

// Appends until it is killed, and prints each position only after its append was acknowledged.
const [folder = '', seed = '0'] = process.argv.slice(2)
const { signal } = new AbortController()
const log = await openEventLog(`embedded:${folder}`, { now: Date.now })
await log.ensureTopics([{ topic: 't', partitions: 3, cleanup: 'delete' }], { signal })

async function appendForever(worker: number): Promise<never> {
  for (let call = 0; ; call++) {
    const records = Array.from({ length: 1 + (call % 40) }, (_, index) => ({
      key: `key-${worker}-${index % 5}`,
      value: Buffer.from(`${seed}/${worker}/${call}/${index}`),
    }))
    const positions = await log.append('t', records, { signal })
    const lines = positions.map(
      ({ partition, offset }, index) => `${partition} ${offset} ${seed}/${worker}/${call}/${index}`,
    )
    process.stdout.write(`${lines.join('\n')}\n`)
  }
}

await Promise.all([0, 1, 2, 3].map(appendForever))
