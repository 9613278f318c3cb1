// `node bench/top-k-large.ts [ITEMS]`: exact top-10 of a seeded catalogue too large for the other benches (default
// 10,000,000 items x 50 factors, 5 GB), held against a plain scan. Norms fall by a square root within every 100,000 items.
import { createRandom } from '../engine/evaluation/random.ts'
import { createTopKIndex } from '../engine/top-k/top-k-index.ts'
import { quantile, report, rounded } from './report.ts'

const WIDTH = 50
const QUERIES = 200
const CHECKED = 3
const FALL = 100_000
const items = Number(process.argv[2] ?? 10_000_000)

const random = createRandom(7)
const factors = new Float32Array(items * WIDTH)
for (let item = 0; item < items; item++) {
  const scale = 1 / Math.sqrt(1 + (item % FALL))
  for (let d = 0; d < WIDTH; d++) factors[item * WIDTH + d] = (random() - 0.5) * scale
}
const queries = Array.from({ length: QUERIES }, () => Float32Array.from({ length: WIDTH }, () => random() - 0.5))
const startedAt = performance.now()
const index = createTopKIndex(factors, WIDTH)
const buildSeconds = (performance.now() - startedAt) / 1_000
const times: number[] = []
const found = queries.map((vector) => {
  const from = performance.now()
  const { items: best } = index.top({ vector, k: 10 })
  times.push(performance.now() - from)
  return best
})
for (let query = 0; query < CHECKED; query++) {
  const expected = scan(queries[query] as Float32Array)
  if (expected.join() === found[query]?.join()) continue
  throw new Error(`query ${query}: ${found[query]?.join()} instead of ${expected.join()}`)
}
report({
  ...{ figure: `top_10_falling_norms_${items}_items_p50`, value: rounded(quantile(times, 0.5)), unit: 'ms' },
  details: {
    ...{ width: WIDTH, queries: QUERIES, checkedAgainstScan: CHECKED, p99Ms: rounded(quantile(times, 0.99)) },
    ...{ buildSeconds: rounded(buildSeconds), peakRssMb: Math.round(process.resourceUsage().maxRSS / 1_024) },
    command: `node bench/top-k-large.ts ${items}`,
  },
})

/** Item indexes by falling score, in float64. */
function scan(vector: Float32Array): number[] {
  let best: { item: number; score: number }[] = []
  for (let item = 0; item < items; item++) {
    let score = 0
    for (let d = 0; d < WIDTH; d++) score += factors[item * WIDTH + d]! * vector[d]!
    if (best.length === 10 && score <= best[9]!.score) continue
    best = [...best, { item, score }].sort((left, right) => right.score - left.score).slice(0, 10)
  }
  return best.map(({ item }) => item)
}
