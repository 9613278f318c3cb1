// `npm run bench [NAME ...]`: every figure, or the named ones, one JSON line each.
import { benchFreshness } from './freshness.ts'
import { benchImport } from './import.ts'
import { benchServices } from './services.ts'
import { benchServing } from './serving.ts'
import { benchTopK } from './top-k.ts'
import { benchTraining } from './training.ts'

const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  freshness: benchFreshness,
  serving: benchServing,
  import: benchImport,
  training: benchTraining,
  topK: () => benchTopK(),
  services: benchServices,
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in BENCHES))
if (unknown.length > 0) {
  console.error(`no bench named ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`)
  process.exit(2)
}
for (const [name, bench] of Object.entries(BENCHES)) {
  if (asked.length > 0 ? !asked.includes(name) : name === 'services') continue
  console.error(`bench ${name} ...`)
  await bench()
}
