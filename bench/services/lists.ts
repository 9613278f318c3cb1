import { report } from '../report.ts'
import { fillAndTrain, measureLists } from '../serving.ts'
import { benchStaleness } from './staleness.ts'
import { startStand } from './stand.ts'

const command = 'npm run bench services.lists'

/** Lists of one edge process, Redis behind it, 4,000 items and 64 factors. */
export async function benchLists(): Promise<void> {
  await using stand = await startStand()
  const edge = stand.cluster.get('edge-1')
  await fillAndTrain(edge.url)
  const cached = await measureLists(edge.url, [0, 200], 'hit')
  const details = { ...cached.details, command }
  report({
    ...{ figure: 'services_cached_lists_per_second', value: cached.value, unit: 'requests/s' },
    ...{ bar: { atLeast: 20_000 }, details },
  })
  report({ figure: 'services_cached_lists_ms_p99', value: cached.p99Ms, unit: 'ms', bar: { atMost: 10 }, details })
  await benchStaleness(stand, command)
  // A list lives for a millisecond, so that each is computed and stored; the users are others than before.
  await edge.stop()
  await edge.start({ CACHE_TTL_SECONDS: '0.001' })
  const computed = await measureLists(edge.url, [500, 2_000], 'miss')
  report({
    ...{ figure: 'services_computed_lists_per_second', value: computed.value, unit: 'requests/s' },
    ...{ bar: { atLeast: 3_000 }, details: { ...computed.details, command } },
  })
}
