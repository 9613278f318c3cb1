// `npm run bench [NAME ...]`: every figure, or the named ones, one JSON line each. `services` names all of services.*, which
// start seven servers each and are left out unless they are named.
import { benchFreshness } from './freshness.ts'
import { benchImport } from './import.ts'
import { benchEvents } from './services/events.ts'
import { benchLists } from './services/lists.ts'
import { benchSink } from './services/sink.ts'
import { benchServing } from './serving.ts'
import { benchTopK } from './top-k.ts'
import { benchTraining } from './training.ts'

const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  freshness: benchFreshness,
  serving: benchServing,
  import: benchImport,
  training: benchTraining,
  topK: () => benchTopK(),
  'services.lists': benchLists,
  'services.events': benchEvents,
  'services.sink': benchSink,
}

const asked = process.argv.slice(2)
const isNamed = (bench: string, name: string) => bench === name || bench.startsWith(`${name}.`)
const names = Object.keys(BENCHES)
const unknown = asked.filter((name) => !names.some((bench) => isNamed(bench, name)))
if (unknown.length > 0) {
  console.error(`no bench named ${unknown.join(', ')}; there are services, ${names.join(', ')}`)
  process.exit(2)
}
for (const [bench, run] of Object.entries(BENCHES)) {
  if (asked.length > 0 ? !asked.some((name) => isNamed(bench, name)) : isNamed(bench, 'services')) continue
  console.error(`bench ${bench} ...`)
  await run()
}
