// The load of a bench, forked by bench/load.ts.
import { HttpConnection, requestBytes } from './http-connection.ts'
import type { LoadJob, LoadResult } from './load.ts'
import { quantile, rounded } from './report.ts'

process.once('message', (job: LoadJob) => {
  run(job).then(
    (result) => answer({ result }),
    (error) => answer({ failure: String(error) }),
  )
})

function answer(message: object): void {
  process.send?.(message, undefined, {}, () => process.disconnect())
}

async function run({ url, requests, connections, seconds, expectedStatus }: LoadJob): Promise<LoadResult> {
  const wire = requests.map(({ method, path, body }) => requestBytes(url, method, path, body))
  const latencies: number[] = []
  const opened = await Promise.all(Array.from({ length: connections }, () => HttpConnection.open(url)))
  const startedAt = performance.now()
  const end = startedAt + seconds * 1_000
  await Promise.all(
    opened.map(async (connection, place) => {
      let next = Math.floor((place * wire.length) / connections)
      for (let now = performance.now(); now < end; ) {
        const { status, body } = await connection.send(wire[next++ % wire.length] as Buffer)
        if (status !== expectedStatus) throw new Error(`status ${status}: ${body}`)
        const later = performance.now()
        latencies.push(later - now)
        now = later
      }
    }),
  )
  const elapsed = (performance.now() - startedAt) / 1_000
  for (const connection of opened) connection[Symbol.dispose]()
  const [p50Ms, p99Ms, maxMs] = [0.5, 0.99, 1].map((fraction) => rounded(quantile(latencies, fraction))) as [number, number, number] // biome-ignore format: one line
  return { replies: latencies.length, seconds: elapsed, p50Ms, p99Ms, maxMs }
}
