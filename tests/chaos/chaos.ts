// npm run chaos: the whole storm, on servers of its own. SEED, EVENTS, KILLS and STORE_AWAY_MS change it.
import { SERVICE_NAMES } from '../../services/provision/definition.ts'
import { clusterSettings } from '../services/cluster-settings.ts'
import { startPrivateServices } from '../services/private-services.ts'
import { runStorm } from './storm.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const events = Number(process.env.EVENTS ?? 200_000)
const kills = Number(process.env.KILLS ?? 30)
const storeAwayMs = Number(process.env.STORE_AWAY_MS ?? 60_000)
console.log(`seed ${seed}: ${events} events, ${kills} kills, event store away for ${storeAwayMs} ms`)

await using servers = await startPrivateServices(SERVICE_NAMES)
await using cluster = await clusterSettings((name) => servers.url(name))
const { settings } = cluster
const result = await runStorm({ seed, events, kills, storeAwayMs, settings, servers, report: console.log })
const { lists, degraded, retries, failures } = result.reads
console.log(
  `${result.acknowledged} events acknowledged (${result.distinct} distinct), ${result.writeRetries} requests sent again`,
)
console.log(`${result.kills} kills survived in ${result.seconds} s`)
console.log(
  `${lists} lists read, ${degraded} of them degraded, ${retries} from the second edge, ${failures.length} failed`,
)
const wrong = [...result.differences, ...failures, ...result.deaths]
for (const line of wrong.slice(0, 50)) console.error(`WRONG: ${line}`)
console.log(wrong.length === 0 ? 'ClickHouse and user state equal the oracle, event for event' : `seed ${seed} FAILED`)
process.exitCode = wrong.length === 0 && lists > 0 && result.acknowledged === events ? 0 : 1
